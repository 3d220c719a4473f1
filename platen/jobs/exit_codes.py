"""What a pod of a job ends with, and each process in it. 128 + n: killed by signal n."""

DONE, OURS, USERS, LOST_PEER, STOPPED = 0, 1, 2, 141, 143
OUT_OF_TIME = 152  # 128 + SIGXCPU: the time budget is used up
