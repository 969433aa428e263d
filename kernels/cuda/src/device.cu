// What the kernels ask of the device. In tests that run them on a CPU, others of the same names
// take the place of this file (tests/kernels/cuda_host).

typedef unsigned char Byte;
typedef unsigned short Half;
typedef unsigned int Word;
typedef signed short Int16;
typedef long long Long;

#define SHARED(type, name) __shared__ __align__(16) type name

// What lies at an address that is a multiple of its alignment: read, or written, at once.
template <class T>
__device__ inline T& aligned(const void* at) {
  return *static_cast<T*>(const_cast<void*>(at));
}

// The same number. What is loaded or computed from it is not kept in registers from one use to the
// next: where totals fill them, they would overflow.
__device__ inline int anew(int number) {
  asm volatile("" : "+r"(number)::"memory");
  return number;
}

// Copies N bytes to shared memory; zeros where `inside` is false. They are there after a wait, and
// a barrier makes them so for other threads.
template <int N>
__device__ inline void copy_later(void* to, const void* from, bool inside) {
#if __CUDA_ARCH__ >= 800
  const Word at = static_cast<Word>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
               :
               : "r"(at), "l"(from), "n"(N), "r"(inside ? N : 0)
               : "memory");
#else
  for (int i = 0; i < N / 4; ++i)
    static_cast<Word*>(to)[i] = inside ? static_cast<const Word*>(from)[i] : 0;
#endif
}

// Ends a group of copies.
__device__ inline void end_of_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until this thread has all groups of its copies but the last N.
template <int N>
__device__ inline void wait_for_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// Of a warp: 16 rows times 8 columns of 256 bits each, how many bits both have. Thread t of a warp
// gives words of row t / 4 (a0, a2), of row t / 4 + 8 (a1, a3), and of column t / 4 (b0, b1), those
// at t % 4 and t % 4 + 4. It gets row t / 4 (c0, c1) and row t / 4 + 8 (c2, c3) of the columns
// t % 4 * 2 and the next. Which bit is the first matters to nobody: they are only counted.
__device__ inline void meet_bits(int& c0, int& c1, int& c2, int& c3, const Word (&a)[4], Word b0,
                                 Word b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(c0), "+r"(c1), "+r"(c2), "+r"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// The same of 32 bytes each, the sum of their products: 4 bytes of a word where a word was 32 bits.
__device__ inline void meet_bytes(int& c0, int& c1, int& c2, int& c3, const Word (&a)[4], Word b0,
                                  Word b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(c0), "+r"(c1), "+r"(c2), "+r"(c3)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}
