# Libraries beyond libc that a benchmark program needs; `tests/bench/lab.sh` and the Makefile read this.
LDLIBS_live_source = -lbpf
LDLIBS_raw_xsk = -lxdp -lbpf
