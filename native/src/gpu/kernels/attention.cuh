// What both kinds of attention are made of. Keys and values lie in pages: [page][KV head][token in page][DIM]; queries and
// outputs: [token][query head][DIM]. Online softmax, as in FlashAttention: a row's maximum and its sum of weights run along, and
// what was summed before a new maximum is rescaled; scores are powers of two. Split-KV, as in Flash-Decoding: a context is cut into
// splits, each a block of its own, whose results `combine` puts together.

#define CHUNKS (DIM / 16)
#define TILES (DIM / 8)
// What a split comes to: [token or sequence][KV head][split][GROUP][PART_ROW] floats. A row is sums over values, then the maximum
// and the sum of the weights, filled up to whole sectors of memory.
static_assert(PART_ROW >= DIM + 2 && PART_ROW % 8 == 0, "a row's sums, maximum and sum of weights, in whole sectors");
// The maximum of a row that has seen nothing.
#define NOTHING (-1e30f)

__device__ __forceinline__ u32 shared_address(const void *at) {
    return (u32)__cvta_generic_to_shared(at);
}

// Four matrices of 8 by 8; each thread gives the address of a row.
__device__ __forceinline__ void load4(u32 (&r)[4], u32 at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

__device__ __forceinline__ void load4_transposed(u32 (&r)[4], u32 at) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
}

// 16 bytes to shared memory in the background; zeros where there is nothing.
__device__ __forceinline__ void fetch(u32 to, const half_t *from, bool there) {
    int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

__device__ __forceinline__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int LEFT> __device__ __forceinline__ void arrive() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

// Two floats to memory at once, which the compiler does not always make of two assignments.
__device__ __forceinline__ void store2(float *to, float first, float second) {
    asm volatile("st.global.v2.f32 [%0], {%1, %2};" ::"l"(to), "f"(first), "f"(second) : "memory");
}

// 2 to the power of x, which is 0 for minus infinity.
__device__ __forceinline__ float power(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Over the four threads that share a row.
__device__ __forceinline__ float row_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL, x, 2));
}

__device__ __forceinline__ float row_sum(float x) {
    x += __shfl_xor_sync(ALL, x, 1);
    return x + __shfl_xor_sync(ALL, x, 2);
}

// The running maximum takes in what was found in a row; gives the factor by which the old sums are to be rescaled.
__device__ __forceinline__ float update_max(float &most, float found) {
    float next = fmaxf(most, row_max(found)), factor = power(most - next);
    most = next;
    return factor;
}
