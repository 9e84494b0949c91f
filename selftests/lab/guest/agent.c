/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PID 1 of a lab guest: runs commands for the host over one virtio-serial port, any number at once.
 *
 * Both directions carry messages: a line "JOB VERB LENGTH\n" and LENGTH bytes.
 *   host -> guest   run   start JOB; the bytes are argv, each argument ended by NUL
 *                   in    bytes for its stdin          eof   close its stdin
 *                   kill  send it the signal whose number is in the bytes
 *   guest -> host   ready (job 0) the agent is up: once for each boot
 *                   out   from its stdout              err   from its stderr
 *                   exit  wait status, as a decimal; the last word on JOB
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_JOBS = 64, MAX_ARGS = 256, MAX_MESSAGE = 1 << 20, CHUNK = 32768 };

struct job {
    unsigned id;
    pid_t pid; /* 0: this slot is free */
    int in, out, err;
};

static struct job jobs[MAX_JOBS];
static int port;

static void write_all(int fd, const char *data, size_t length) {
    while (length > 0) {
        ssize_t done = write(fd, data, length);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return; /* the reader has gone; its exit is reported elsewhere */
        if (done > 0) {
            data += done;
            length -= (size_t)done;
        }
    }
}

static void tell(unsigned id, const char *verb, const char *data, size_t length) {
    char head[64];
    int size = snprintf(head, sizeof head, "%u %s %zu\n", id, verb, length);
    write_all(port, head, (size_t)size);
    write_all(port, data, length);
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static struct job *find(unsigned id, pid_t pid) {
    for (struct job *job = jobs; job < jobs + MAX_JOBS; job++)
        if (job->pid && (job->id == id || job->pid == pid))
            return job;
    return NULL;
}

/* Passes on what can be read now; false at the end of the stream. */
static int forward(struct job *job, int *fd, const char *verb) {
    char data[CHUNK];
    ssize_t got = *fd < 0 ? 0 : read(*fd, data, sizeof data);
    if (got > 0)
        tell(job->id, verb, data, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        close_fd(fd);
    return got > 0;
}

static void finish(struct job *job, int status) {
    char text[16];
    /* Not until end of file: a daemon that the command left behind may hold these pipes open. */
    while (forward(job, &job->out, "out"))
        ;
    while (forward(job, &job->err, "err"))
        ;
    close_fd(&job->in);
    close_fd(&job->out);
    close_fd(&job->err);
    tell(job->id, "exit", text, (size_t)snprintf(text, sizeof text, "%d", status));
    job->pid = 0;
}

static void start(unsigned id, char *data, size_t length) {
    char *argv[MAX_ARGS + 1];
    int argc = 0, in[2], out[2], err[2];
    struct job *job = jobs;
    while (job < jobs + MAX_JOBS && job->pid)
        job++;
    for (char *arg = data; arg < data + length && argc < MAX_ARGS; arg += strlen(arg) + 1)
        argv[argc++] = arg;
    argv[argc] = NULL;
    if (job == jobs + MAX_JOBS || !argc || pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
        pipe2(err, O_CLOEXEC)) {
        tell(id, "err", "agent: too many jobs\n", 21);
        tell(id, "exit", "32256", 5); /* 126, as a shell says "cannot execute" */
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        setsid();
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execvp(argv[0], argv);
        dprintf(2, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    *job = (struct job){.id = id, .pid = pid, .in = in[1], .out = out[0], .err = err[0]};
}

static void obey(unsigned id, const char *verb, char *data, size_t length) {
    struct job *job = find(id, -1);
    if (!strcmp(verb, "run"))
        start(id, data, length);
    else if (!job)
        return; /* it ended while this message was on its way */
    else if (!strcmp(verb, "in"))
        write_all(job->in, data, length);
    else if (!strcmp(verb, "eof"))
        close_fd(&job->in);
    else if (!strcmp(verb, "kill"))
        kill(-job->pid, atoi(data)); /* its whole session: a shell's children too */
}

/* Collects bytes from the port and acts on each whole message. */
static void listen_to_host(void) {
    static char buffer[MAX_MESSAGE + 64];
    static size_t filled;
    ssize_t got = read(port, buffer + filled, sizeof buffer - 1 - filled);
    if (got <= 0) {
        usleep(10000); /* nobody is connected: the port polls as hung up all the time */
        return;
    }
    filled += (size_t)got;
    for (;;) {
        char verb[8], *end = memchr(buffer, '\n', filled);
        unsigned id;
        size_t length;
        if (!end || sscanf(buffer, "%u %7s %zu", &id, verb, &length) != 3)
            return;
        size_t total = (size_t)(end + 1 - buffer) + length;
        if (filled < total)
            return;
        char after = buffer[total];
        buffer[total] = '\0';
        obey(id, verb, end + 1, length);
        buffer[total] = after;
        memmove(buffer, buffer + total, filled -= total);
    }
}

static void reap(int signals) {
    struct signalfd_siginfo info;
    int status;
    pid_t pid;
    if (read(signals, &info, sizeof info) < 0)
        return;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct job *job = find(0, pid);
        if (job)
            finish(job, status);
    }
}

int main(int argc, char **argv) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &children, SFD_CLOEXEC);
    port = argc > 1 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    if (port < 0) {
        perror("agent: port");
        return 1;
    }
    tell(0, "ready", "", 0);
    for (;;) {
        struct pollfd fds[2 + 2 * MAX_JOBS] = {{port, POLLIN, 0}, {signals, POLLIN, 0}};
        for (int i = 0; i < MAX_JOBS; i++) {
            fds[2 + 2 * i] = (struct pollfd){jobs[i].pid ? jobs[i].out : -1, POLLIN, 0};
            fds[3 + 2 * i] = (struct pollfd){jobs[i].pid ? jobs[i].err : -1, POLLIN, 0};
        }
        if (poll(fds, sizeof fds / sizeof *fds, -1) < 0)
            continue;
        for (int i = 0; i < MAX_JOBS; i++) {
            if (fds[2 + 2 * i].revents)
                forward(&jobs[i], &jobs[i].out, "out");
            if (fds[3 + 2 * i].revents)
                forward(&jobs[i], &jobs[i].err, "err");
        }
        if (fds[1].revents)
            reap(signals);
        if (fds[0].revents)
            listen_to_host();
    }
}
