# Libraries beyond cmocka that a unit test needs. (test_nic_bpf's stand in the Makefile.)
LDLIBS_test_nic_shared = -lbpf -lelf -lz
LDLIBS_test_fake_verbs = -libverbs
