"""Follows the lips through raw pictures. Runs by itself in the environment of `requirements/enroll.txt`.

    python lip_points.py WIDTH HEIGHT < pictures

reads RGB pictures one after another and prints a JSON list: how far the inner lips are open in eye distances, null where there
is no face.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ.setdefault("GLOG_minloglevel", "2")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import mediapipe as mp
import numpy as np

UPPER_LIP, LOWER_LIP = 13, 14
EYES = 33, 263


def distance(points: Any, a: int, b: int, width: int, height: int) -> float:
    """Between two landmarks, in pixels."""
    return float(np.hypot((points[a].x - points[b].x) * width, (points[a].y - points[b].y) * height))


def main() -> None:
    width, height = int(sys.argv[1]), int(sys.argv[2])
    openings: list[float | None] = []
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=False, refine_landmarks=True, max_num_faces=1) as finder:
        while len(data := sys.stdin.buffer.read(width * height * 3)) == width * height * 3:
            faces = finder.process(np.frombuffer(data, np.uint8).reshape(height, width, 3)).multi_face_landmarks
            if not faces:
                openings.append(None)
                continue
            points = faces[0].landmark
            openings.append(distance(points, UPPER_LIP, LOWER_LIP, width, height) / distance(points, *EYES, width, height))
    sys.stdout.write(json.dumps(openings))


main()
