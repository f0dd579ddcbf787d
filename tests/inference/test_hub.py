"""Models on a hub: a stub of it on loopback, spoken to by the real client."""

import base64
import hashlib
import json
import pickle
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
from tiny import tiny_architecture
from tiny_models import tiny_model

from hicmae.errors import CheckpointError
from hicmae.inference.hub import HubModel

COMMIT = "a" * 40
TOKEN = "hf_stub"  # noqa: S105 (of the stub)


class StubHub(BaseHTTPRequestHandler):
    """What the client asks of the Hugging Face Hub to fetch files and to commit small ones."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
        if found is None:
            self.answer(404 if self.headers.get("Authorization") == f"Bearer {TOKEN}" else 401)
            return
        repo, revision, name = found.groups()
        files = self.server.repositories.get(repo)
        if files is None:
            self.answer(404, error="RepoNotFound")
        elif files == "gated":
            self.answer(403, error="GatedRepo")
        elif files == "broken":
            self.answer(500)
        elif revision not in {"main", "v1", COMMIT}:
            self.answer(404, error="RevisionNotFound")
        elif name not in files:
            self.answer(404, error="EntryNotFound", commit=True)
        else:
            self.answer(200, files[name], commit=True)

    def do_POST(self):
        self.server.asked.append((self.command, self.path))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            status = 409 if name in self.server.repositories else 200
            self.server.repositories.setdefault(name, {})
            self.tell({"url": f"{self.server.address}/{name}"}, status)
        elif self.path == "/api/validate-yaml":
            self.server.cards.append(json.loads(body)["content"])
            self.tell({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            self.tell({"files": [{"path": name, **modes} for name in names]})
        elif "/commit/" in self.path:
            repo = re.match(r"/api/models/([^/]+/[^/]+)/commit/", self.path)[1]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    content = base64.b64decode(value["content"])
                    self.server.repositories[repo][value["path"]] = content
            url = f"{self.server.address}/{repo}/commit/{COMMIT}"
            self.tell({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self.answer(404)

    def tell(self, content, status=200):
        self.answer(status, json.dumps(content).encode(), kind="application/json")

    def answer(self, status, body=b"", *, error=None, commit=False, kind="text/plain"):
        self.send_response(status)
        if error:
            self.send_header("X-Error-Code", error)
            self.send_header("X-Error-Message", f"the stub says {error}")
        if commit:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), StubHub)
    server.address = f"http://127.0.0.1:{server.server_port}"
    server.repositories, server.asked, server.cards = {}, [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield server
    server.shutdown()
    thread.join(timeout=60)
    server.server_close()


class Recogniser(HubModel):
    """A subclass as the package has it: two fixed arguments and options."""

    def __init__(self, model, description, *, faces="crop", **options):
        self.model = model
        self.description = description
        self.faces = faces
        self.options = options


def recogniser(**changes):
    fields = {"outputs": ("calm", "joy"), "architecture": tiny_architecture()}
    model, description = tiny_model(seed=3, **fields | changes)
    return Recogniser(model.eval(), description, faces="none")


def same_weights(one, other):
    names = one.model.state_dict()
    return all(torch.equal(tensor, other.model.state_dict()[n]) for n, tensor in names.items())


class TestFolders:
    def test_there_and_back(self, tmp_path):
        ours = recogniser(training={"epochs": 3, "data": {"fold": 2}})
        ours.save_pretrained(tmp_path / "model")
        assert {path.name for path in (tmp_path / "model").iterdir()} == {
            "README.md",
            "config.json",
            "model.safetensors",
        }
        theirs = Recogniser.from_pretrained(tmp_path / "model", faces="crop", hop=0.5)
        assert theirs.description == ours.description
        assert same_weights(ours, theirs)
        assert (theirs.faces, theirs.options) == ("crop", {"hop": 0.5})
        assert not theirs.model.training

    def test_saving_again_replaces_the_model(self, tmp_path):
        recogniser().save_pretrained(tmp_path)
        (tmp_path / "notes.txt").write_text("mine")
        other = recogniser(outputs=("anger", "fear", "joy"))
        other.save_pretrained(tmp_path, license="cc-by-nc-4.0")
        again = Recogniser.from_pretrained(str(tmp_path))
        assert again.description.outputs == ("anger", "fear", "joy")
        assert again.description.training["license"] == "cc-by-nc-4.0"
        assert "license: cc-by-nc-4.0" in (tmp_path / "README.md").read_text()
        assert (tmp_path / "notes.txt").read_text() == "mine"

    def test_encoders_of_a_pretrained_model(self, tmp_path):
        ours = recogniser(kind="pretraining", outputs=())
        ours.save_pretrained(tmp_path)
        theirs = Recogniser.from_pretrained(tmp_path)
        assert theirs.description.kind == "pretraining"
        assert same_weights(ours, theirs)

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "model").write_text("mine")
        with pytest.raises(CheckpointError, match="is a file"):
            recogniser().save_pretrained(tmp_path / "model")

    @pytest.mark.parametrize(
        "name",
        ["nowhere", "some/where/else", "run/best.ckpt", "../elsewhere", "/no/where", "a b/c", ""],
    )
    def test_what_is_neither_path_nor_name(self, name, hub, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CheckpointError) as caught:
            Recogniser.from_pretrained(name)
        assert "\n" not in str(caught.value)
        assert not hub.asked


class TestHub:
    def test_there_and_back(self, hub):
        ours = recogniser(training={"epochs": 3})
        url = ours.push_to_hub("somebody/model", token=TOKEN, license="cc-by-4.0")
        assert url == f"{hub.address}/somebody/model/commit/{COMMIT}"
        assert {"README.md", "config.json", "model.safetensors"} == set(
            hub.repositories["somebody/model"]
        )
        assert "license: cc-by-4.0" in hub.cards[0]
        theirs = Recogniser.from_pretrained("somebody/model", faces="crop")
        assert same_weights(ours, theirs)
        assert theirs.description.outputs == ours.description.outputs
        assert theirs.description.training == {"epochs": 3, "license": "cc-by-4.0"}
        ours.push_to_hub("somebody/model", token=TOKEN)  # into what is there

    def test_only_description_and_weights_are_fetched(self, hub, tmp_path):
        files = published(hub, tmp_path)
        files["modeling.py"] = b"raise SystemExit"
        files["pytorch_model.bin"] = pickle.dumps(1)
        Recogniser.from_pretrained("somebody/model", cache_dir=tmp_path / "here")
        fetched = {Path(path).name for command, path in hub.asked if command == "GET"}
        assert fetched == {"config.json", "model.safetensors"}
        assert list((tmp_path / "here").rglob("config.json"))

    def test_earlier_downloads_need_no_network(self, hub, tmp_path):
        published(hub, tmp_path)
        Recogniser.from_pretrained("somebody/model", revision="v1")
        hub.asked.clear()
        Recogniser.from_pretrained("somebody/model", revision="v1", local_files_only=True)
        assert not hub.asked

    def test_a_folder_of_that_name_comes_first(self, hub, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        recogniser(outputs=("left", "right")).save_pretrained("somebody/model")
        assert Recogniser.from_pretrained("somebody/model").description.outputs[0] == "left"
        assert not hub.asked

    def test_foreign_code_in_place_of_weights(self, hub, tmp_path):
        files = published(hub, tmp_path)
        evidence = tmp_path / "executed"
        files["model.safetensors"] = pickle.dumps(Payload(evidence))
        with pytest.raises(CheckpointError, match=r"model\.safetensors"):
            Recogniser.from_pretrained("somebody/model")
        assert not evidence.exists()

    @pytest.mark.parametrize(
        ("repository", "revision", "said"),
        [
            (None, None, "neither a file or folder somebody/model nor a model"),
            ("gated", None, "lets in"),
            ({"model.safetensors": b""}, None, "lacks config.json"),
            ("whole", "v2", "no such revision"),
            ("half", None, "lacks config.json or model.safetensors"),
        ],
    )
    def test_what_cannot_be_fetched(self, repository, revision, said, hub, tmp_path):
        if repository in ("whole", "half"):
            files = published(hub, tmp_path)
            if repository == "half":
                del files["model.safetensors"]
        elif repository is not None:
            hub.repositories["somebody/model"] = repository
        with pytest.raises(CheckpointError, match=said) as caught:
            Recogniser.from_pretrained("somebody/model", revision=revision)
        assert "\n" not in str(caught.value)

    def test_never_fetched(self, hub):
        with pytest.raises(CheckpointError, match="no earlier download") as caught:
            Recogniser.from_pretrained("somebody/model", local_files_only=True)
        assert "\n" not in str(caught.value)
        assert not hub.asked

    @pytest.mark.parametrize("token", ["hf_wrong", None])
    def test_nobody_may_write(self, token, hub):
        with pytest.raises(CheckpointError, match="log in") as caught:
            recogniser().push_to_hub("somebody/model", token=token)
        assert "\n" not in str(caught.value)
        assert "hf_wrong" not in str(caught.value)

    def test_names_that_no_hub_has(self, hub):
        with pytest.raises(CheckpointError, match="check the name"):
            recogniser().push_to_hub("no/such/name", token=TOKEN)


class Payload:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def published(hub, tmp_path):
    """The files of a model on the stub, to be changed."""
    recogniser().save_pretrained(tmp_path / "published")
    files = {path.name: path.read_bytes() for path in (tmp_path / "published").iterdir()}
    hub.repositories["somebody/model"] = files
    return files
