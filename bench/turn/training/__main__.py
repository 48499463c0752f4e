"""`python -m bench.turn.training`: makes the turns, fits the weights. By hand, in this order:

    python -m models fetch kokoro-82m              # and the voices of npm kokoro-js 1.2.1 beside it in voices/
    python -m bench.turn.training corpus train FOLDER --kokoro K --chats C
    python -m bench.turn.training fit FOLDER

Where weights of MaAI are (services/turn/VAP.md), what they weigh beside the rest:

    TURN_VAP_WEIGHTS=... python -m bench.turn.training fit-vap FOLDER

C is the folder `chitchat_dataset` of the package of that name (PyPI, 1.0.0 or newer). Whoever makes the test turns anew gives
`corpus test bench/data/turn/made --format opus`; the turns from 084 on are of `--seed 7`.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.turn.training", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    corpus = commands.add_parser("corpus", help="make turns")
    corpus.add_argument("split", choices=["train", "test"])
    corpus.add_argument("out", type=Path)
    corpus.add_argument("--kokoro", type=Path, required=True)
    corpus.add_argument("--chats", type=Path, required=True)
    corpus.add_argument("--count", type=int, default=200)
    corpus.add_argument("--seconds", type=float, default=3600.0, help="stop after so long; the next run goes on")
    corpus.add_argument("--seed", type=int, default=None, help="other texts than by default")
    corpus.add_argument("--unlike", type=int, nargs="*", default=[], help="seeds whose texts are left out")
    corpus.add_argument("--format", choices=["flac", "opus"], default="flac")
    fit = commands.add_parser("fit", help="fit the weights")
    fit.add_argument("corpus", type=Path)
    fit.add_argument("--out", type=Path, default=None, help="by default the file that the engine reads")
    fit.add_argument("--seconds", type=float, default=3600.0, help="listen for so long; the next run goes on")
    vap = commands.add_parser("fit-vap", help="fit what voice activity projection weighs beside the rest")
    vap.add_argument("corpus", type=Path)
    vap.add_argument("--out", type=Path, default=None, help="by default the file that the engine reads")
    vap.add_argument("--seconds", type=float, default=3600.0, help="listen for so long; the next run goes on")
    return parser.parse_args()


def main() -> None:
    args = _arguments()
    if args.command == "corpus":
        from bench.turn.training.corpus import make

        amount = {"count": args.count, "seconds": args.seconds, "seed": args.seed, "unlike": args.unlike}
        done = make(args.kokoro, args.chats, args.out, args.split, suffix=args.format, **amount)
        print(f"{done} of {args.count} turns are in {args.out}")
    elif args.command == "fit-vap":
        from bench.turn.training.beside import fit as run_beside

        print(run_beside(args.corpus, args.seconds, args.out))
    else:
        from bench.turn.training.fitting import fit as run

        print(run(args.corpus, args.seconds, args.out))


if __name__ == "__main__":
    main()
