"""Reads the emotion of the first window of a clip with an exported model, without torch.

    hicmae export --format onnx --checkpoint best.ckpt --output model.onnx
    python run_onnx.py model.onnx clip.mp4

It takes av, numpy and onnxruntime. The clip shows one face at 25 to 30 frames a second; of wider
pictures the centre square is taken. Scores are those of `hicmae recognize --faces none` for sound
of 16 kHz; of other rates FFmpeg makes slightly other sound, which moves them by some thousandths.
"""

import json
import sys

import av
import numpy as np
import onnxruntime

model, path = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
about = json.loads(session.get_modelmeta().custom_metadata_map["config.json"])
stride, side = about["inputs"]["stride"], about["inputs"]["frame_size"]
count = about["architecture"]["num_frames"]

pictures, sound = [], []
with av.open(path) as clip:
    video = clip.streams.video[0]
    fps = float(video.average_rate)
    square = av.filter.Graph()
    square.link_nodes(
        square.add_buffer(template=video),
        square.add("crop", r"min(iw\,ih):min(iw\,ih):exact=1"),
        square.add("scale", f"{side}:{side}:flags=bilinear"),
        square.add("format", "rgb24"),
        square.add("buffersink"),
    ).configure()
    # Channels are averaged below: "mono" of FFmpeg makes stereo louder by the root of 2.
    to_16_khz = av.AudioResampler(format="fltp", rate=16_000)
    for frame in clip.decode(video=0, audio=0):
        if frame.time and frame.time > count * stride / fps + 1:
            break  # a second behind the window, since sound and pictures do not come abreast
        if isinstance(frame, av.AudioFrame):
            sound += [part.to_ndarray().mean(0) for part in to_16_khz.resample(frame)]
        else:
            square.vpush(frame)
            pictures.append(square.vpull().to_ndarray())
sound += [part.to_ndarray().mean(0) for part in to_16_khz.resample(None)]

shown = np.arange(0, len(pictures), stride)[:count]
waveform = np.concatenate(sound)[: round((shown[-1] + stride) / fps * 16_000)]
shown = np.pad(shown, (0, count - len(shown)), mode="edge")  # a short clip stops at its last frame
inputs = {
    "frames": np.stack(pictures)[None, shown],
    "waveform": waveform[None],
    "waveform_length": np.array([len(waveform)]),
    "senses": np.array([[True, True]]),  # of a model that could do without one
}
wanted = [value.name for value in session.get_inputs()]  # of one modality, only its own
(scores,) = session.run(["scores"], {name: inputs[name] for name in wanted})
for name, score in zip(about["outputs"], scores[0], strict=True):
    print(f"{name}: {score:.6f}")
