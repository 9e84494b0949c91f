/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions per packet: count tx|rx FAR_NETNS GUEST_IP FAR_IP BURSTS
 *
 * Under `-icount shift=0` the TSC counts instructions. Bursts of 32 UDP packets go from here to the
 * far end (tx) or from there to here (rx); between them the guest has time to finish all work. What is
 * left of the CPU goes to a loop of two instructions at the lowest priority, so what it counts is what
 * was idle. The same number of empty bursts, first, is what sleeping and waking costs.
 * Prints: BURSTS PACKETS RECEIVED TICKS_PER_BURST_EMPTY TICKS_PER_BURST
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 32, SIZE = 64, PORT = 7711, PAUSE_NS = 1000000, WARM = 20, DRAIN = 3 };

static volatile uint64_t *idle; /* turns of the idle loop, two instructions each */

static uint64_t ticks(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static pid_t spin(void) {
    struct sched_param none = {0};
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sched_setscheduler(0, SCHED_IDLE, &none);
    __asm__ volatile("1: incq (%0)\n jmp 1b" ::"r"(idle) : "memory");
    _exit(0);
}

static struct sockaddr_in address(const char *ip) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    inet_pton(AF_INET, ip, &to.sin_addr);
    return to;
}

static int udp(const char *from, const char *to) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 1 << 20;
    struct sockaddr_in local = address(from), remote = address(to);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (fd < 0 || bind(fd, (void *)&local, sizeof local) || connect(fd, (void *)&remote, sizeof remote))
        die("udp socket");
    return fd;
}

static char payload[BURST][SIZE];
static struct mmsghdr messages[BURST];
static struct iovec vectors[BURST];

/* One burst from one socket, and what has arrived at the other. */
static long burst(int from, int to, int count) {
    struct timespec pause = {0, PAUSE_NS};
    long got = 0;
    if (count && sendmmsg(from, messages, (unsigned)count, 0) != count)
        die("sendmmsg");
    nanosleep(&pause, NULL);
    if (to >= 0)
        for (int n; (n = recvmmsg(to, messages, BURST, MSG_DONTWAIT, NULL)) > 0;)
            got += n;
    return got;
}

static double measure(int from, int to, int count, long bursts, long *received) {
    for (int i = 0; i < WARM; i++)
        burst(from, to, count);
    for (int i = 0; i < DRAIN; i++)
        burst(from, to, 0);
    *received = 0;
    uint64_t spun = *idle, begin = ticks();
    for (long i = 0; i < bursts; i++)
        *received += burst(from, to, count);
    uint64_t all = ticks() - begin;
    spun = *idle - spun;
    for (int i = 0; i < DRAIN; i++)
        *received += burst(from, to, 0);
    return (double)(all - 2 * spun) / (double)bursts;
}

int main(int argc, char **argv) {
    if (argc != 6)
        return 64;
    int tx = !strcmp(argv[1], "tx"), home = open("/proc/self/ns/net", O_RDONLY), far_ns;
    const char *guest_ip = argv[3], *far_ip = argv[4];
    long bursts = atol(argv[5]), received;
    int here = udp(guest_ip, far_ip), far;
    char path[128];
    snprintf(path, sizeof path, "/run/netns/%s", argv[2]);
    if ((far_ns = open(path, O_RDONLY)) < 0 || setns(far_ns, CLONE_NEWNET))
        die(path);
    far = udp(far_ip, guest_ip);
    setns(home, CLONE_NEWNET);
    for (int i = 0; i < BURST; i++) {
        vectors[i] = (struct iovec){payload[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    idle = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t spinner = spin();
    /* Nobody reads what was sent: with the far NIC's link down it ends in QEMU. */
    int from = tx ? here : far, to = tx ? -1 : here;
    double empty = measure(from, to, 0, bursts, &received);
    double full = measure(from, to, BURST, bursts, &received);
    kill(spinner, SIGKILL);
    waitpid(spinner, NULL, 0); /* it has these sockets too */
    printf("%ld %ld %ld %.1f %.1f\n", bursts, bursts * BURST, received, empty, full);
    return 0;
}
