// Numbers of two bytes, without any header: bf16 where BF16 is 1, else fp16. Given by the host (`sizes.rs`): BF16, DIM (size of
// a head, a multiple of 64), GROUP (query heads that share a KV head, at most 16), and every other size that it counts with.

typedef unsigned short half_t;
typedef unsigned int u32;
typedef unsigned long long u64;

#define WARP 32
#define ALL 0xffffffffu

__device__ __forceinline__ float widen(half_t x) {
#if BF16
    return __uint_as_float(((u32)x) << 16);
#else
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
#endif
}

__device__ __forceinline__ half_t narrow(float x) {
    half_t y;
#if BF16
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
#else
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
#endif
    return y;
}

// Two numbers in a word, the first in the lower half.
__device__ __forceinline__ u32 pack(float low, float high) {
    u32 y;
#if BF16
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
#else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
#endif
    return y;
}

__device__ __forceinline__ float low(u32 x) { return widen((half_t)(x & 0xffffu)); }
__device__ __forceinline__ float high(u32 x) { return widen((half_t)(x >> 16)); }

// c += a * b on tensor cores: 16 rows of a, 8 columns of b, 16 numbers inside.
__device__ __forceinline__ void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#if BF16
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
#endif
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ float warp_sum(float x) {
    for (int step = 16; step > 0; step >>= 1) x += __shfl_xor_sync(ALL, x, step);
    return x;
}

// Sum over a block of up to 1,024 threads; every thread gets it.
__device__ __forceinline__ float block_sum(float x) {
    __shared__ float of_warp[WARP];
    x = warp_sum(x);
    __syncthreads();
    if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = x;
    __syncthreads();
    x = threadIdx.x % WARP < (blockDim.x + WARP - 1) / WARP ? of_warp[threadIdx.x % WARP] : 0.0f;
    return warp_sum(x);
}
