// A CPU that plays a GPU: the kernels of kernels/cuda/src run on it as they are. The threads of a
// block are fibers, which change where a barrier or a tensor core wants all of them; in every other
// block in the opposite order. So what is read before a barrier that is missing is not there yet,
// or gone. Copies to shared memory happen as late as they may, shared memory begins as rubbish, and
// what must be aligned is looked at.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#include <vector>

typedef unsigned char Byte;
typedef unsigned short Half;
typedef unsigned int Word;
typedef signed short Int16;
typedef long long Long;

#define __device__
#define __grid_constant__
#define __global__
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define SHARED(type, name) type& name = *static_cast<type*>(host::shared(sizeof(type)))

struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int __popc(Word word) { return __builtin_popcount(word); }
inline float __uint_as_float(Word word) {
  float number;
  memcpy(&number, &word, 4);
  return number;
}

struct Three {
  unsigned x, y, z;
};
inline Three threadIdx, blockIdx, gridDim;

namespace host {

constexpr size_t kStack = 64 << 10, kShared = 48 << 10;

struct Copy {
  void* to;
  const void* from;
  int bytes;
  bool inside;
};

struct Fiber {
  ucontext_t context;  // where it begins
  jmp_buf where;       // and where it goes on: a jump asks nothing of the kernel
  std::vector<char> stack = std::vector<char>(kStack);
  std::vector<std::vector<Copy>> groups;
  std::vector<Copy> open;
  bool begun, done;
};

struct Barrier {
  int arrived = 0;
  Long turn = 0;
};

struct Warp {
  Barrier barrier;
  Word a[2][32][4], b[2][32][2];
};

inline std::vector<Fiber> fibers(1024);
inline std::vector<Warp> warps;
inline Barrier block;
inline jmp_buf scheduler;
inline int threads;
inline Long moves;  // arrivals at barriers, and ends: without any, a round leads nowhere
inline const char* wrong;
inline void (*body)(const void*);
inline const void* argument;
alignas(64) inline char memory[kShared];

inline void* shared(size_t size) {
  if (size > kShared) wrong = "more shared memory than a block has";
  return memory;
}

inline void enter(Fiber& f) {
  if (_setjmp(scheduler)) return;
  if (f.begun) _longjmp(f.where, 1);
  f.begun = true;
  setcontext(&f.context);
}

inline void leave(Fiber& f) {
  if (!_setjmp(f.where)) _longjmp(scheduler, 1);
}

inline void wait(Barrier& barrier, int all) {
  const Long turn = barrier.turn;
  ++moves;
  if (++barrier.arrived == all) {
    barrier.arrived = 0;
    ++barrier.turn;
    return;
  }
  Fiber& self = fibers[threadIdx.x];
  while (barrier.turn == turn) leave(self);
}

inline void begin() {
  const unsigned mine = threadIdx.x;
  body(argument);
  fibers[mine].done = true;
  ++moves;
  leave(fibers[mine]);
}

inline void run_block() {
  block = Barrier();
  warps.assign((threads + 31) / 32, Warp());
  memset(memory, 0xff, sizeof memory);  // as floats: not numbers
  for (int t = 0; t < threads; ++t) {
    Fiber& f = fibers[t];
    f.begun = f.done = false;
    f.groups.clear();
    f.open.clear();
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack.data();
    f.context.uc_stack.ss_size = kStack;
    f.context.uc_link = nullptr;
    makecontext(&f.context, begin, 0);
  }
  const bool backwards = (blockIdx.x + blockIdx.y + blockIdx.z) % 2;
  for (int left = threads; left > 0;) {
    const Long before = moves;
    left = 0;
    for (int n = 0; n < threads; ++n) {
      const int t = backwards ? threads - 1 - n : n;
      if (fibers[t].done) continue;
      threadIdx.x = t;
      enter(fibers[t]);
      left += !fibers[t].done;
    }
    if (moves == before) {
      wrong = "some threads wait for others that have ended";
      return;
    }
  }
  for (int t = 0; t < threads; ++t)
    if (!fibers[t].open.empty() || !fibers[t].groups.empty())
      wrong = "copies that nobody waited for";
}

inline const char* run(void (*call)(const void*), const int* grid, int n, const void* given) {
  body = call, argument = given, threads = n, wrong = nullptr;
  gridDim = {unsigned(grid[0]), unsigned(grid[1]), unsigned(grid[2])};
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < gridDim.x && !wrong; ++blockIdx.x) run_block();
  return wrong;
}

// What the lanes of a warp give, known to all of them.
inline const Warp& gathered(const Word (&a)[4], Word b0, Word b1, int& half) {
  Warp& warp = warps[threadIdx.x / 32];
  const int lane = threadIdx.x % 32;
  half = warp.barrier.turn % 2;  // nobody is more than a turn ahead
  memcpy(warp.a[half][lane], a, sizeof a);
  warp.b[half][lane][0] = b0, warp.b[half][lane][1] = b1;
  wait(warp.barrier, 32);
  return warp;
}

template <class Times>
inline void meet(int& c0, int& c1, int& c2, int& c3, const Word (&a)[4], Word b0, Word b1,
                 Times times) {
  int half;
  const Warp& warp = gathered(a, b0, b1, half);
  const int lane = threadIdx.x % 32, row = lane / 4, column = lane % 4 * 2;
  int* const to[4] = {&c0, &c1, &c2, &c3};
  for (int i = 0; i < 4; ++i)
    for (int q = 0; q < 4; ++q) {
      const Word* const mine = warp.a[half][4 * row + q];
      const Word* const other = warp.b[half][4 * (column + i % 2) + q];
      *to[i] += times(mine[i / 2], other[0]) + times(mine[i / 2 + 2], other[1]);
    }
}

}  // namespace host

inline int anew(int number) { return number; }
inline void __syncthreads() { host::wait(host::block, host::threads); }

template <class T>
inline T& aligned(const void* at) {
  if (reinterpret_cast<uintptr_t>(at) % alignof(T)) host::wrong = "an address is not aligned";
  return *static_cast<T*>(const_cast<void*>(at));
}

template <int N>
inline void copy_later(void* to, const void* from, bool inside) {
  const uintptr_t from_at = reinterpret_cast<uintptr_t>(from);
  if (reinterpret_cast<uintptr_t>(to) % N || from_at % N) host::wrong = "a copy is not aligned";
  host::fibers[threadIdx.x].open.push_back({to, from, N, inside});
}

inline void end_of_copies() {
  host::Fiber& f = host::fibers[threadIdx.x];
  f.groups.push_back(f.open);
  f.open.clear();
}

template <int N>
inline void wait_for_copies() {
  auto& groups = host::fibers[threadIdx.x].groups;
  while (groups.size() > N) {
    for (const host::Copy& copy : groups.front())
      if (copy.inside)
        memcpy(copy.to, copy.from, copy.bytes);
      else
        memset(copy.to, 0, copy.bytes);
    groups.erase(groups.begin());
  }
}

inline void meet_bits(int& c0, int& c1, int& c2, int& c3, const Word (&a)[4], Word b0, Word b1) {
  host::meet(c0, c1, c2, c3, a, b0, b1, [](Word x, Word y) { return __popc(x & y); });
}

inline void meet_bytes(int& c0, int& c1, int& c2, int& c3, const Word (&a)[4], Word b0, Word b1) {
  host::meet(c0, c1, c2, c3, a, b0, b1, [](Word x, Word y) {
    int sum = 0;
    for (int byte = 0; byte < 32; byte += 8) sum += int(x >> byte & 255) * int(y >> byte & 255);
    return sum;
  });
}
