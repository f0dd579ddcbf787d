import pandas as pd
import pytest
from fakes.voxceleb2 import BROKEN, write_voxceleb2

from hicmae.data.corpora.voxceleb2 import VoxCeleb2
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.fixture(scope="module")
def names(root):
    return write_voxceleb2(root)


def test_clips_are_listed_with_their_sound(root, names):
    table = VoxCeleb2().manifest(root)
    check_manifest(table, "VoxCeleb2")
    check_files(table, "VoxCeleb2")
    assert table["id"].tolist() == sorted([*names, *BROKEN])
    audio = dict(zip(table["id"], table["audio"], strict=True))
    assert audio["id00012/21Uxsk56VDQ/00001"].endswith("dev/aac/id00012/21Uxsk56VDQ/00001.m4a")
    assert audio["id00012/21Uxsk56VDQ/00002"].endswith("00002.wav")
    assert pd.isna(audio["id00015/21Uxsk56VDQ/00002"])
    assert table["subject"].unique().tolist() == ["id00012", "id00015", "id00018"]


@pytest.mark.parametrize("below", ["dev", "dev/mp4"])
def test_inner_folders_are_roots_too(root, names, below):
    del names
    inner, outer = VoxCeleb2().manifest(root / below), VoxCeleb2().manifest(root)
    assert inner[["id", "video", "audio"]].equals(outer[["id", "video", "audio"]])


def test_sound_may_lie_elsewhere_or_beside_the_video(tmp_path):
    video = tmp_path / "corpus" / "mp4" / "id1" / "x"
    sound = tmp_path / "sound" / "id1" / "x"
    for file in (video / "1.mp4", video / "2.mp4", video / "2.wav", sound / "1.wav"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    table = VoxCeleb2(audio_root=str(tmp_path / "sound")).manifest(tmp_path / "corpus")
    assert table["audio"].tolist() == [str(sound / "1.wav"), str(video / "2.wav")]


def test_empty_folder_tells_the_layout(tmp_path):
    with pytest.raises(DataError, match=r"it holds: nothing\); expected dev/mp4/<speaker>"):
        VoxCeleb2().manifest(tmp_path)
    (tmp_path / "dev" / "mp4" / "id00012").mkdir(parents=True)
    with pytest.raises(DataError, match=r"it holds: dev\)"):
        VoxCeleb2().manifest(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        VoxCeleb2().manifest(tmp_path / "none")


@pytest.mark.parametrize(
    ("mp4", "aac"),
    [
        ("vox2_mp4/dev/mp4", "vox2_aac/dev/aac"),
        ("VoxCeleb2/dev/mp4", "VoxCeleb2/dev/aac"),
        ("VoxCeleb2/vox2_mp4/dev/mp4", "VoxCeleb2/vox2_aac/dev/aac"),
        ("mp4/dev/mp4", "aac/dev/aac"),
        ("vox2_mp4", "vox2_aac"),
    ],
)
def test_each_archive_may_have_a_folder_of_its_own(tmp_path, mp4, aac):
    video, sound = tmp_path / mp4 / "id00012" / "x", tmp_path / aac / "id00012" / "x"
    for file in (
        video / "1.mp4",
        sound / "1.m4a",
        tmp_path / "test" / "mp4" / "id1" / "x" / "1.mp4",
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    table = VoxCeleb2().manifest(tmp_path)
    assert table["id"].tolist() == ["id00012/x/1"]
    assert table["video"].tolist() == [str(video / "1.mp4")]
    assert table["audio"].tolist() == [str(sound / "1.m4a")]


def test_suffixes_in_capitals(tmp_path):
    video, sound = tmp_path / "dev/mp4/id1/x", tmp_path / "dev/aac/id1/x"
    for file in (video / "1.MP4", sound / "1.M4A", video / "2.mp4", sound / "2.WAV"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    table = VoxCeleb2().manifest(tmp_path)
    assert table["id"].tolist() == ["id1/x/1", "id1/x/2"]
    assert table["video"][0] == str(video / "1.MP4")
    assert table["audio"].tolist() == [str(sound / "1.M4A"), str(sound / "2.WAV")]
