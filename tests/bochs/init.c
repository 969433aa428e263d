// The first and only process of the emulated machine: runs /program < /input, writes its exit code,
// stdout and stderr to port 0xE9 (which Bochs copies to its own stdout), and switches off.
//
// - Files, not pipes, take the output: nothing then depends on how fast the port is.
// - Descriptors 0 to 2 are closed when the kernel has no console: they are filled first, or one of
//   our own files would land on them.
// - A write of "Shutdown" to port 0x8900 ends Bochs.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void send_file(const char *path, long left) {
  static char some[1 << 16];
  const int file = open(path, O_RDONLY);
  while (left > 0) {
    const ssize_t n = read(file, some, left < (long)sizeof some ? left : (long)sizeof some);
    if (n <= 0) break;
    outsb(0xe9, some, n);
    left -= n;
  }
  close(file);
}

static long size(const char *path) {
  struct stat s;
  return stat(path, &s) ? 0 : (long)s.st_size;
}

static void run(void) {
  char *const arguments[] = {"/program", NULL}, *const environment[] = {"PATH=/", NULL};
  dup2(open("/input", O_RDONLY), 0);
  dup2(open("/stdout", O_CREAT | O_WRONLY, 0644), 1);
  dup2(open("/stderr", O_CREAT | O_WRONLY, 0644), 2);
  if (iopl(0)) _exit(126);
  execve("/program", arguments, environment);
  perror("execve");
  _exit(127);
}

int main(void) {
  char line[128];
  int status = 0;
  while (open("/", O_RDONLY) < 3) {
  }
  mount("proc", "/proc", "proc", 0, 0);
  mount("devtmpfs", "/dev", "devtmpfs", 0, 0);
  if (iopl(3)) return 1;
  const pid_t child = fork();
  if (child == 0) run();
  while (waitpid(child, &status, 0) != child) {
  }
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  const long out = size("/stdout"), errors = size("/stderr");
  outsb(0xe9, line, sprintf(line, "@@RESULT %d %ld %ld\n", code, out, errors));
  send_file("/stdout", out);
  send_file("/stderr", errors);
  outsb(0xe9, "@@END@@", 7);
  for (const char *c = "Shutdown"; *c; ++c) outb(*c, 0x8900);
  for (;;) pause();
}
