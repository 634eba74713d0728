# Libraries beyond libc that a program needs.
LDLIBS_fake_nic = -lbpf -lelf -lz
