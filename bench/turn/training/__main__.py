"""`python -m bench.turn.training`: makes the turns, counts the endings of messages, fits the weights. By hand, in this order:

    python -m models fetch kokoro-82m              # and the voices of npm kokoro-js 1.2.1 beside it in voices/
    python -m bench.turn.training corpus train FOLDER --kokoro K --chats C
    python -m bench.turn.training endings --chats C
    python -m bench.turn.training fit FOLDER

And for the candidate (`bench.turn.candidate`), `reader` in an environment with torch, see `network.py`:

    python -m bench.turn.training reader MEETINGS --chats C
    python -m bench.turn.training candidate FOLDER

C is the folder `chitchat_dataset` of the package of that name (PyPI, 1.0.0 or newer). Whoever makes the test turns anew gives
`corpus test bench/data/turn/made --format opus`; the turns from 084 on are of `--seed 7`. MEETINGS holds
`spoken_train.jsonl.gz` and `spoken_val.jsonl.gz`: turns of AMI and ICSI meetings from QMSum, one meeting a line, `{"meeting":
name, "turns": [[speaker, text], ...]}`.
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
    endings = commands.add_parser("endings", help="count after which words messages end")
    endings.add_argument("--chats", type=Path, required=True)
    fit = commands.add_parser("fit", help="fit the weights")
    fit.add_argument("corpus", type=Path)
    fit.add_argument("--out", type=Path, default=None, help="by default the file that the engine reads")
    fit.add_argument("--seconds", type=float, default=3600.0, help="listen for so long; the next run goes on")
    reader = commands.add_parser("reader", help="train the reader of words")
    reader.add_argument("meetings", type=Path)
    reader.add_argument("--chats", type=Path, required=True)
    reader.add_argument("--messages", type=int, default=40_000, help="so many of the chats")
    reader.add_argument("--epochs", type=int, default=6)
    reader.add_argument("--rate", type=float, default=0.003, help="the highest learning rate")
    reader.add_argument("--begin", type=Path, default=None, help="weights from which to go on")
    reader.add_argument("--seed", type=int, default=1)
    reader.add_argument("--out", type=Path, default=None, help="by default the file that the candidate reads")
    candidate = commands.add_parser("candidate", help="fit the candidate's weights")
    candidate.add_argument("corpus", type=Path)
    candidate.add_argument("--out", type=Path, default=None, help="by default the file that the candidate reads")
    candidate.add_argument("--seconds", type=float, default=3600.0, help="listen for so long; the next run goes on")
    return parser.parse_args()


def main() -> None:
    args = _arguments()
    if args.command == "corpus":
        from bench.turn.training.corpus import make

        amount = {"count": args.count, "seconds": args.seconds, "seed": args.seed, "unlike": args.unlike}
        done = make(args.kokoro, args.chats, args.out, args.split, suffix=args.format, **amount)
        print(f"{done} of {args.count} turns are in {args.out}")
    elif args.command == "endings":
        from bench.turn.training.counting import count

        print(count(args.chats))
    elif args.command == "reader":
        from bench.turn.training.network import train
        from services.common.settings import SharedSettings

        minilm = SharedSettings().models_dir / "minilm-l6-v2"
        amount = {"epochs": args.epochs, "rate": args.rate, "count": args.messages, "seed": args.seed}
        print(train(args.meetings, args.chats, minilm, args.out, args.begin, **amount))
    elif args.command == "candidate":
        from bench.turn.training.hazard_fitting import fit as run_candidate

        print(run_candidate(args.corpus, args.seconds, args.out))
    else:
        from bench.turn.training.fitting import fit as run

        print(run(args.corpus, args.seconds, args.out))


if __name__ == "__main__":
    main()
