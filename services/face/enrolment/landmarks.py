"""Finds faces in pictures. Runs by itself in the environment of `requirements/enroll.txt`; imports nothing of Vivant.

    python landmarks.py picture.png mask.png

prints one JSON object in a line: `width`, `height` and `faces`, the largest first, each with `score` (0..1 of the detector),
`box` (left, top, right, bottom in pixels), `points` ([478, 3] of MediaPipe FaceMesh with irises, in pixels; z in the scale of
x, towards the viewer negative) and `mirrored`, the points found in the mirror image, with x turned back. Both are null where
the detector saw a face and the mesh did not. The mask of the person, 8-bit grey in the size of the picture, is written to the
second path.

    python landmarks.py --clip WIDTH HEIGHT EVERY < pictures

reads RGB pictures one after another and prints a line with `faces` for each; `mirrored` is looked for in each EVERYth picture.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from typing import Any

# What the libraries print belongs to the log, and the answer alone to stdout.
os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import mediapipe as mp
import numpy as np

MOST_FACES = 4
#: A crop for the mesh is this much larger than the detected face: the mesh model was trained on faces with a margin.
MARGIN = 0.6

Box = tuple[float, float, float, float]
Points = list[list[float]]


@cache
def detector(model: int) -> Any:
    """The near-range (0) or the far-range (1) detector."""
    return mp.solutions.face_detection.FaceDetection(model_selection=model, min_detection_confidence=0.3)


@cache
def mesh_finder() -> Any:
    """It looks at each picture by itself: what was in the one before does not count."""
    return mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1)


def detect(image: Any) -> list[tuple[float, Box]]:
    """Faces [(score, (left, top, right, bottom))] found by the near-range or the far-range detector, the largest first."""
    height, width = image.shape[:2]
    found = []
    for model in (0, 1):
        for item in detector(model).process(image).detections or ():
            box = item.location_data.relative_bounding_box
            left, top = box.xmin * width, box.ymin * height
            found.append((float(item.score[0]), (left, top, left + box.width * width, top + box.height * height)))
    found.sort(reverse=True)
    kept: list[tuple[float, Box]] = []
    for score, box in found:
        if all(overlap(box, other) < 0.3 for _, other in kept):
            kept.append((score, box))
    kept.sort(key=lambda item: item[1][0] - item[1][2])
    return kept[:MOST_FACES]


def overlap(a: Box, b: Box) -> float:
    """Intersection over the smaller of two boxes."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    return across * down / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def mesh(image: Any, box: Box) -> Points | None:
    """Points [478, 3] of the face in `box`, or None."""
    height, width = image.shape[:2]
    size = max(box[2] - box[0], box[3] - box[1])
    left, top = int(max(0, box[0] - MARGIN * size)), int(max(0, box[1] - MARGIN * size))
    right, bottom = int(min(width, box[2] + MARGIN * size)), int(min(height, box[3] + MARGIN * size))
    crop = np.ascontiguousarray(image[top:bottom, left:right])
    if not crop.size:
        return None
    faces = mesh_finder().process(crop).multi_face_landmarks
    if not faces:
        return None
    across, down = crop.shape[1], crop.shape[0]
    return [[point.x * across + left, point.y * down + top, point.z * across] for point in faces[0].landmark]


def person(image: Any) -> Any:
    """The mask of the person, uint8 [height, width]."""
    with mp.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as segmenter:
        mask = segmenter.process(image).segmentation_mask
    return (np.clip(mask, 0, 1) * 255).round().astype(np.uint8)


def mirrored(image: Any, box: Box) -> Points | None:
    """Points of the same face in the mirror image, with x turned back."""
    width = image.shape[1]
    points = mesh(np.ascontiguousarray(image[:, ::-1]), (width - box[2], box[1], width - box[0], box[3]))
    return points and [[width - x, y, z] for x, y, z in points]


def faces_in(image: Any, *, mirror: bool) -> list[dict[str, Any]]:
    """The largest first."""
    return [
        {
            "score": score,
            "box": box,
            "points": mesh(image, box),
            "mirrored": mirrored(image, box) if mirror else None,
        }
        for score, box in detect(image)
    ]


def look_at_picture(picture: str, mask: str) -> None:
    read: Any = cv2.imread(picture, cv2.IMREAD_COLOR)
    image = cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
    faces = faces_in(image, mirror=True)
    cv2.imwrite(mask, person(image))
    sys.stdout.write(json.dumps({"width": image.shape[1], "height": image.shape[0], "faces": faces}))


def look_at_clip(width: int, height: int, every: int) -> None:
    size, count = width * height * 3, 0
    while len(data := sys.stdin.buffer.read(size)) == size:
        image = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        sys.stdout.write(json.dumps({"faces": faces_in(image, mirror=count % every == 0)}) + "\n")
        sys.stdout.flush()
        count += 1


if __name__ == "__main__":
    if sys.argv[1] == "--clip":
        look_at_clip(*map(int, sys.argv[2:]))
    else:
        look_at_picture(sys.argv[1], sys.argv[2])
