"""CPU per byte of requests from 1 KiB to 16 MiB beside nginx's plain reverse proxy: it has to stay flat as bodies grow."""

import argparse

import wrk
from machine import cores
from peers import Direct, Enginehouse, Nginx, engine
from programs import Programs
from tables import describe_machine, middle, ratio, table

SIZES = [1 << 10, 16 << 10, 128 << 10, 1 << 20, 4 << 20, 16 << 20]
# Fewer at once where they are large: all bodies together have a bound.
CONNECTIONS = {1 << 20: 16, 4 << 20: 8, 16 << 20: 4}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds; in each every peer has its turn (3)")
    parser.add_argument("--seconds", type=int, default=4, help="length of a turn (4)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and homes")
    arguments = parser.parse_args()
    describe_machine()
    with Programs(arguments.keep) as programs:
        proxy, other = cores()
        port, process = engine(programs, other, "--fixed-bytes", 1024)
        peers = [Direct(port, process), Nginx(programs, proxy, port), Enginehouse(programs, proxy, port)]
        rows = [row(peers, size, arguments, programs.folder, other) for size in SIZES]
        columns = ["body", "at once", "nginx µs/request", "ns/byte", "enginehouse µs/request", "ns/byte", "× nginx", "requests/s"]
        table(columns, rows)


def row(peers, size, arguments, folder, load):
    request, connections = wrk.write_body(folder, size), CONNECTIONS.get(size, 64)
    nginx, house = wrk.Measured(), wrk.Measured()
    for number in range(-1, arguments.rounds):
        for peer, into in ((peers[1], nginx), (peers[2], house)):
            wrk.measure(peer, load, connections, arguments.seconds, request, into if number >= 0 else None)
    cells = [f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB", str(connections)]
    for one in (nginx, house):
        cells += [f"{middle(one.micros):.0f}", f"{1000 * middle(one.micros) / size:.2f}"]
    return [*cells, f"{ratio(house.micros, nginx.micros):.2f}", f"{middle(house.rates):.0f}"]


if __name__ == "__main__":
    main()
