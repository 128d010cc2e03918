"""A process that captions one image, and tells when it was how far: for startup.py.

first_caption.py BEGAN IMAGE MODEL ENGINE: BEGAN is time.monotonic() when the process was started.
Its one line is JSON: seconds of the wall and of CPU time, lap by lap, and what captions.
"""

import sys
import time

laps = {"python": (time.monotonic() - float(sys.argv[1]), time.process_time())}
last = [time.monotonic(), time.process_time()]


def lap(name: str) -> None:
    now = [time.monotonic(), time.process_time()]
    laps[name] = (now[0] - last[0], now[1] - last[1])
    last[:] = now


import importlib  # noqa: E402 - the laps are what this is about

from mmser_ros.captioner import Captioner, find_model  # noqa: E402
from mmser_ros.runtime.registry import AUTO, ENGINES, hindrance  # noqa: E402

lap("import captioner")
image, model, engine = sys.argv[2:]
folder = find_model(model)
if engine == AUTO:
    engine = next(name for name in ENGINES if hindrance(name, folder) is None)
for package in ENGINES[engine].packages:
    importlib.import_module(package)
lap("import engine")
captioner = Captioner.load(folder, engine=engine)
lap("load")
captioner.warm_up()
lap("warm up")

import cv2  # noqa: E402 - imported long since

from mmser_ros.types import Frame  # noqa: E402

bgr = cv2.imread(image)
captioner.refine(captioner.glance(Frame(bgr[..., ::-1].copy())))
lap("two captions")

import json  # noqa: E402

info = captioner.info
told = {"engine": info.backend, "precision": info.precision, "weights": info.weights_hash}
print(json.dumps({**told, "laps": laps, "torch": "torch" in sys.modules}))
