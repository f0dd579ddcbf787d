"""Annotated copies of clips: they play, keep their sound, and show what was recognised."""

import av
import numpy as np
import pytest
from media_factory import numbered_picture, picture_number, write_clip, write_image
from PIL import Image

from hicmae.colours import colours
from hicmae.errors import ConfigError, DataError
from hicmae.inference.drawing import Annotator, box_at, scores_at
from hicmae.inference.rendering import render
from hicmae.inference.results import Person, Recognition
from hicmae.media import VideoReader, read_audio

CLASSES = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SECONDS = 2.0


def person(number=1, *, start=0.0, end=SECONDS, outputs=8, boxes=True):
    begins = np.arange(start, end, 0.5, dtype=np.float32)
    times = np.arange(start, end, 0.04, dtype=np.float32)
    scores = np.random.default_rng(number).dirichlet(np.ones(outputs), len(begins))
    box = np.array([[10 + 50 * (number - 1), 30, 40, 40]], np.float32)
    return Person(
        number=number,
        start=start,
        end=end,
        scores=scores.mean(0).astype(np.float32),
        window_times=np.stack([begins, begins + 0.5], axis=1),
        window_scores=scores.astype(np.float32),
        box_times=times if boxes else times[:0],
        boxes=np.repeat(box, len(times), axis=0) if boxes else np.zeros((0, 4), np.float32),
        window_senses=np.ones((len(begins), 2), bool),
    )


def recognition(*people, kind="classification", outputs=CLASSES):
    return Recognition("clip", kind, outputs, SECONDS, people or (person(outputs=len(outputs)),))


def streams(path):
    """Frames, their times, and seconds of sound of a file that is decoded to its end."""
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
    return times, float(rate)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),  # AAC, copied
        ("b.mpg", {"size": (176, 144)}),  # MP2, which players do not expect in an mp4
        ("c.webm", {"fps": 30}),  # Opus
        ("d.mp4", {"size": (98, 74), "fps": 24}),
    ],
)
def test_frames_and_sound_stay(tmp_path, name, options):
    clip = write_clip(tmp_path / name, seconds=SECONDS, **options)
    output = tmp_path / "out" / "shown.mp4"
    told = []
    render(clip, recognition(), output, progress=told.append)
    with VideoReader(clip) as reader:
        frames, fps = reader.frame_count, reader.fps
    times, rate = streams(output)
    assert len(times) == frames
    np.testing.assert_allclose(times, np.arange(frames) / fps, atol=2e-3)
    assert rate == pytest.approx(fps, rel=1e-3)
    before, after = read_audio(clip), read_audio(output)
    assert len(after) == pytest.approx(len(before), abs=1600)
    # The sound is neither early nor late.
    length = min(len(before), len(after))
    spectrum = np.fft.rfft(before[:length]) * np.fft.rfft(after[:length]).conj()
    shift = int(np.argmax(np.fft.irfft(spectrum)))
    assert min(shift, length - shift) < 400
    assert told[-1] == 1
    assert sorted(told) == told


def test_pictures_come_above_a_strip_that_moves(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", seconds=SECONDS, size=(96, 96))
    output = tmp_path / "shown.mkv"
    render(clip, recognition(person(boxes=False)), output)
    with VideoReader(output) as reader:
        assert reader.width == 480  # five times as large
        pictures = reader.read([0, 13, 37], region=(0, 0, reader.height, reader.width))
    assert [picture_number(picture[:480]) for picture in pictures] == [0, 13, 37]
    strips = pictures[:, 485:].astype(int)
    moved = np.abs(strips[1] - strips[2]).max(axis=(0, 2)) > 60
    columns = np.flatnonzero(moved)
    # The cursor left one place and stands at another, all else is the same.
    assert len(columns) < 40
    assert columns.min() == pytest.approx(13 / 50 * 480, abs=12)
    assert columns.max() == pytest.approx(37 / 50 * 480, abs=12)


def test_what_is_shown_at_irregular_times_stays_there(tmp_path):
    clip = tmp_path / "webcam.mkv"
    stamps = np.cumsum([0, *[40] * 15, *[200, 80] * 5])
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        for index, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered_picture(index), format="rgb24")
            frame.pts = int(stamp)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    output = tmp_path / "shown.mp4"
    render(clip, recognition(), output)
    times, _ = streams(output)
    np.testing.assert_allclose(times, np.arange(51) / 25, atol=2e-3)


def test_a_folder_of_images_and_a_sound_beside(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(50):
        write_image(folder / f"{index}.png", numbered_picture(index, (60, 40)))
    sound = write_clip(tmp_path / "frames.wav", seconds=SECONDS)
    render(folder, recognition(), tmp_path / "shown.mp4", sound=sound)
    times, rate = streams(tmp_path / "shown.mp4")
    assert (len(times), rate) == (50, 25)
    assert len(read_audio(tmp_path / "shown.mp4")) == pytest.approx(32_000, abs=1600)
    render(folder, recognition(), tmp_path / "mute.mov", folder_fps=10)
    assert streams(tmp_path / "mute.mov")[1] == 10


class TestWhatCannotBe:
    def test_sound_alone(self, tmp_path):
        sound = write_clip(tmp_path / "voice.wav", seconds=1)
        with pytest.raises(ConfigError, match=r"voice\.wav has no pictures to render"):
            render(sound, recognition(), tmp_path / "o.mp4")

    def test_the_clip_itself(self, clip_factory):
        clip = clip_factory("itself.mp4", seconds=0.2)
        before = clip.read_bytes()
        with pytest.raises(ConfigError, match="is the clip itself"):
            render(clip, recognition(), clip.parent / "." / clip.name)
        assert clip.read_bytes() == before

    def test_another_container(self, tmp_path):
        with pytest.raises(ConfigError, match=r"o\.gif names no kind of video.*\.mp4"):
            render(tmp_path / "c.mp4", recognition(), tmp_path / "o.gif")

    def test_a_broken_clip_leaves_nothing(self, tmp_path, clip_factory):
        clip = tmp_path / "cut.mp4"
        whole = clip_factory("front.mp4", seconds=2.0, options={"movflags": "faststart"})
        clip.write_bytes(whole.read_bytes()[:20_000])
        with pytest.raises(DataError, match="cut off"):
            render(clip, recognition(), tmp_path / "o" / "o.mp4")
        assert not list(tmp_path.glob("o/*"))


class TestAnnotator:
    def shown(self, found, seconds, size=(640, 360)):
        annotator = Annotator(found, *size, 25.0)
        page = annotator.annotate(np.full((size[1], size[0], 3), 90, np.uint8), seconds)
        assert page.shape == (annotator.height, annotator.width, 3)
        assert annotator.width % 2 == annotator.height % 2 == 0
        return page

    def test_a_face_has_a_box_in_the_colour_of_its_emotion(self):
        main = person()
        page = self.shown(recognition(main), 1.0)
        best = int(scores_at(main, [1.0])[0].argmax())
        assert tuple(page[50, 10]) == colours(8)[best]
        assert tuple(page[50, 30]) == (90, 90, 90)  # nothing is drawn over the face

    def test_nobody_is_marked_who_is_out_of_view(self):
        late = person(2, start=1.0)
        before, after = (self.shown(recognition(person(), late), t) for t in (0.5, 1.5))
        assert tuple(before[50, 60]) == (90, 90, 90)
        assert tuple(after[50, 60]) != (90, 90, 90)

    def test_areas_are_as_high_as_probabilities(self):
        page = self.shown(recognition(), 0.0)
        expected = scores_at(person(), [1.75])[0]
        column = page[370:, round(1.75 / SECONDS * 640)]
        palette = np.array(colours(8))
        # The same colours stand in the legend, which is another column.
        near = np.abs(column[:, None].astype(int) - palette).sum(-1) < 3
        heights = near.sum(0) / near.sum()
        np.testing.assert_allclose(heights, expected, atol=0.04)

    def test_values_have_limits_and_lines(self):
        outputs = ("valence", "arousal")
        values = recognition(kind="regression", outputs=outputs)
        page = self.shown(values, 0.0)
        strip = page[395:].reshape(-1, 3).tolist()
        for colour in colours(2):
            assert strip.count(list(colour)) > 200

    @pytest.mark.parametrize("size", [(16, 12), (96, 160), (360, 288), (1279, 719)])
    def test_any_size(self, size):
        many = recognition(outputs=tuple(f"long name of class {n}" for n in range(11)))
        page = self.shown(many, 0.3, size)
        assert page.shape[1] >= 480

    def test_a_long_clip_has_few_marks_of_time(self):
        long = Recognition("c", "classification", CLASSES, 7200.0, (person(end=7200.0),))
        self.shown(long, 3600.0)


def test_boxes_are_bridged_over_short_gaps_only():
    times = np.array([0.0, 0.2, 2.0], np.float32)
    boxes = np.array([[0, 0, 10, 10], [20, 0, 10, 10], [40, 0, 10, 10]], np.float32)
    someone = Person(
        1, 0, 2, *(np.zeros((1, 2), np.float32),) * 3, times, boxes, np.ones((1, 2), bool)
    )
    np.testing.assert_allclose(box_at(someone, 0.1, 0.03), [10, 0, 10, 10], rtol=1e-5)
    assert box_at(someone, 1.0, 0.03) is None
    assert box_at(someone, 2.02, 0.03)[0] == 40
    assert box_at(someone, 2.1, 0.03) is None


def test_scores_between_windows_still_sum_to_one():
    scores = scores_at(person(), np.linspace(-1, 4, 50))
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(scores[0], person().window_scores[0], rtol=1e-5)


def test_colours_differ():
    found = colours(16)
    assert len(set(found)) == 16
    grey = [Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)) for colour in found[:3]]
    assert len(set(grey)) == 3
