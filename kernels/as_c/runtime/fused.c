/* Sums of real products are chains of fused multiply-adds, as the kernels have them: the same bits
   on every machine. Where the processor has no instruction for it, BNN_FUSED=0 is faster: each
   product is rounded too, and a number next to a threshold may fall on its other side. */
#ifndef BNN_FUSED
#define BNN_FUSED 1
#endif
#if BNN_FUSED
#define BNN_ADD_PRODUCT(sum, a, b) fmaf(a, b, sum)
#else
#define BNN_ADD_PRODUCT(sum, a, b) ((sum) + (a) * (b))
#endif
