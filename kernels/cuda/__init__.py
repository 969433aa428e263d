"""The same ops on a GPU: same `Op`, same packed parameters, same `Program`, same bits.

    launch.py    what is launched, as values; the protocol of a device
    conv.py      convolutions and linear maps as launches;  tiles.py  the shapes of their blocks
    real.py      all other ops;  ending.py  what is done to sums
    program.py   a whole program on a device
    choice.py    the fastest product and tile of an op, by measuring;  alone.py  an op by itself
    nvrtc.py     the compiler;  device.py  a GPU, through CuPy: the only file that knows it
    src/         the kernels, one text for each op, with its shapes known to the compiler

Nothing here is imported by the CPU's way, and CuPy only where a device is opened.
"""
