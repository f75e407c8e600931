#!/usr/bin/python3
"""ffmpeg: for lines like `ffmpeg -i in.wav -ar 8000 out.wav`: reads one sound file, changes its rate, writes another."""

import audioop
import sys
import wave

options = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
with wave.open(sys.stdin.buffer if options["-i"] == "-" else options["-i"]) as sound:
    channels, width, rate = sound.getparams()[:3]
    frames = sound.readframes(sound.getnframes())
wanted = int(options.get("-ar", rate))
frames, _ = audioop.ratecv(frames, width, channels, rate, wanted, None)
with wave.open(sys.argv[-1], "wb") as sound:
    sound.setparams((channels, width, wanted, 0, "NONE", "not compressed"))
    sound.writeframes(frames)
