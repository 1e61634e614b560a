"""What a governed request costs beside nginx's plain reverse proxy: same load, same engine, in turns within one run.

Governed: a virtual key with an allow-list, a rate limit, a bound on parallel requests and a budget; a priced model; every
request in the ledger. nginx does none of this: it is what bare proxying costs on this machine.
"""

import argparse

import wrk
from machine import cores
from peers import Direct, Enginehouse, Litellm, Nginx, engine
from programs import Programs
from tables import describe_machine, middle, ratio, table

REQUEST_BYTES, ANSWER_BYTES = 4096, 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds; in each every peer has its turn (5)")
    parser.add_argument("--seconds", type=int, default=5, help="length of a turn (5)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64, 256], help="at once (1 16 64 256)")
    parser.add_argument("--litellm", action="store_true", help="compare LiteLLM's proxy too; installs it, which takes minutes")
    parser.add_argument("--compare", metavar="PATH", nargs="*", default=[], help="other builds of enginehouse to compare")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and homes")
    arguments = parser.parse_args()
    describe_machine()
    with Programs(arguments.keep) as programs:
        peers = start(programs, arguments)
        answered = {peer.name: 0 for peer in peers}
        for connections in arguments.connections:
            measured = run(peers, connections, arguments, programs.folder, answered)
            report(peers, measured, connections)
        for house in peers:
            if isinstance(house, Enginehouse):
                house.expect_booked(answered[house.name])


def start(programs, arguments):
    proxy, other = cores()
    port, process = engine(programs, other, "--fixed-bytes", ANSWER_BYTES)
    houses = [("enginehouse", None), *((f"build {at}", path) for at, path in enumerate(arguments.compare, 1))]
    peers = [Direct(port, process), Nginx(programs, proxy, port)]
    peers += [Litellm(programs, proxy, port)] if arguments.litellm else []
    return peers + [Enginehouse(programs, proxy, port, name.replace(" ", "-"), path) for name, path in houses]


def run(peers, connections, arguments, folder, answered):
    """Rounds in which every peer has its turn; what was measured of each."""
    request, load = wrk.write_body(folder, REQUEST_BYTES), cores()[1]
    measured = [wrk.Measured() for _ in peers]
    for number in range(-1, arguments.rounds):
        turns = list(zip(peers, measured))
        # Whoever goes second finds a warmer machine: they take turns. The round before the first one only warms up.
        for peer, into in turns if number % 2 == 0 else reversed(turns):
            seconds = arguments.seconds if number >= 0 else 2
            into = into if number >= 0 else None
            answered[peer.name] += wrk.measure(peer, load, connections, seconds, request, into)
    return measured


def report(peers, measured, connections):
    print(f"{connections} connections, {REQUEST_BYTES} bytes in, {ANSWER_BYTES} out; medians of the rounds\n")
    direct, nginx = measured[0], measured[1]
    rows = []
    for peer, of in zip(peers, measured):
        cpu = ["", "", ""]
        if of is not direct:
            spread = f"{min(of.micros):.1f}–{max(of.micros):.1f}"
            cpu = [f"{middle(of.micros):.1f}", spread, f"{ratio(of.micros, nginx.micros):.2f}"]
        added = ["" if of is direct else f"{1000 * (middle(of_p) - middle(direct_p)):+.0f}"
                 for of_p, direct_p in ((of.p50, direct.p50), (of.p99, direct.p99))]
        rows.append([peer.name, *cpu, f"{middle(of.rates):.0f}", f"{middle(of.p50):.3f}", f"{middle(of.p99):.3f}", *added])
    columns = ["", "CPU µs/request", "lowest–highest", "× nginx", "requests/s", "p50 ms", "p99 ms", "added p50 µs", "added p99 µs"]
    table(columns, rows)


if __name__ == "__main__":
    main()
