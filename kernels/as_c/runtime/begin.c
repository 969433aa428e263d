#if defined(__FAST_MATH__)
#error "-ffast-math changes the answers: each step of floats has to be rounded, in its order"
#endif
#if FLT_RADIX != 2 || FLT_MANT_DIG != 24 || FLT_MAX_EXP != 128
#error "float has to be the one of 32 bits of IEEE 754"
#endif
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "floats have to be computed as floats: on 32-bit x86 add -msse2 -mfpmath=sse"
#endif
#if INT_MAX < 2147483647
#error "int has to have 32 bits"
#endif

/* A product and a sum are rounded one by one, also where the machine can do both at once. */
#if defined(__clang__) || !defined(__GNUC__)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off") /* gcc does not know the other one */
#endif

/* Maps are [sets][height][width][channels], of floats or of signs. Signs are packed along the
   channels: 8 to a byte, the first in the lowest bit, a set bit is -1. So nothing here depends on
   the order of bytes in a word. Filters are taken 8 at a time: their signs are a byte. */
#define BNN_SOME 8
#define BNN_NONE (-1)
#define BNN_IMAGE (-2) /* what the caller gave is read, as it is */

/* What a node takes and gives; of what it has no use for, NULL. */
typedef struct {
  const void *image;
  const unsigned char *arena;
  const ptrdiff_t *reads; /* where in the arena each set begins that is read */
  const float *residual;
  float *floats;
  uint8_t *bits;
} bnn_io;

typedef struct {
  void (*run)(const void *op, const bnn_io *io);
  const void *op;
  const ptrdiff_t *reads;
  ptrdiff_t residual, floats, bits;
} bnn_node;

static const void *bnn_read(const bnn_io *io, int set) {
  return io->reads[set] == BNN_IMAGE ? io->image : io->arena + io->reads[set];
}

static float *bnn_place(unsigned char *arena, ptrdiff_t at) {
  return at == BNN_NONE ? NULL : (float *)(void *)(arena + at);
}

static void bnn_run_all(const bnn_node *nodes, int n, const void *image, unsigned char *arena) {
  const bnn_node *const end = nodes + n;
  for (; nodes < end; ++nodes) {
    bnn_io io;
    io.image = image;
    io.arena = arena;
    io.reads = nodes->reads;
    io.residual = bnn_place(arena, nodes->residual);
    io.floats = bnn_place(arena, nodes->floats);
    io.bits = nodes->bits == BNN_NONE ? NULL : arena + nodes->bits;
    nodes->run(nodes->op, &io);
  }
}
