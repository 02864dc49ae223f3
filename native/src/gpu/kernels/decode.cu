// Attention of one new token of each sequence, and what combines the splits of a context, a prompt's too.

// A row in shared memory: 16 bytes more than the numbers, so that eight rows lie in different banks.
#define ROW (DIM + 8)

// What a warp keeps of 16 rows of queries. Each thread holds parts of two rows: lane / 4 and that plus 8.
struct Rows {
    u32 q[CHUNKS][4];
    float out[TILES][4];
    float most[2];
    float sum[2];
};

__device__ __forceinline__ void clear(Rows &rows) {
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int i = 0; i < 4; i++) rows.out[tile][i] = 0.0f;
    rows.most[0] = rows.most[1] = NOTHING;
    rows.sum[0] = rows.sum[1] = 0.0f;
}

// Two rows of queries from memory; none where a row does not exist.
__device__ __forceinline__ void load_queries(Rows &rows, const half_t *upper, bool has_upper, const half_t *lower, bool has_lower) {
    int pair = (threadIdx.x % 4) * 2;
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        const half_t *a = upper + chunk * 16 + pair, *b = lower + chunk * 16 + pair;
        rows.q[chunk][0] = has_upper ? *(const u32 *)a : 0u;
        rows.q[chunk][1] = has_lower ? *(const u32 *)b : 0u;
        rows.q[chunk][2] = has_upper ? *(const u32 *)(a + 8) : 0u;
        rows.q[chunk][3] = has_lower ? *(const u32 *)(b + 8) : 0u;
    }
}

// Scores of the rows against 16 tokens: two tiles of 8.
__device__ __forceinline__ void score(float (&s)[2][4], const Rows &rows, const half_t *keys) {
    int lane = threadIdx.x % WARP, matrix = lane / 8, row = lane % 8;
    const half_t *at = keys + ((matrix / 2) * 8 + row) * ROW + (matrix % 2) * 8;
#pragma unroll
    for (int i = 0; i < 4; i++) s[0][i] = s[1][i] = 0.0f;
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        u32 b[4];
        load4(b, shared_address(at + chunk * 16));
        multiply(s[0], rows.q[chunk], b[0], b[1]);
        multiply(s[1], rows.q[chunk], b[2], b[3]);
    }
}

__device__ __forceinline__ void rescale(Rows &rows, float upper, float lower) {
    rows.sum[0] *= upper;
    rows.sum[1] *= lower;
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        rows.out[tile][0] *= upper;
        rows.out[tile][1] *= upper;
        rows.out[tile][2] *= lower;
        rows.out[tile][3] *= lower;
    }
}

// Adds the values of 16 tokens, weighted by what the scores come to.
__device__ __forceinline__ void accumulate(Rows &rows, float (&s)[2][4], const half_t *values) {
#pragma unroll
    for (int tile = 0; tile < 2; tile++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[tile][i] = power(s[tile][i] - rows.most[i / 2]);
            rows.sum[i / 2] += s[tile][i];
        }
    }
    u32 p[4] = {pack(s[0][0], s[0][1]), pack(s[0][2], s[0][3]), pack(s[1][0], s[1][1]), pack(s[1][2], s[1][3])};
    int lane = threadIdx.x % WARP, matrix = lane / 8, row = lane % 8;
    const half_t *at = values + ((matrix % 2) * 8 + row) * ROW + (matrix / 2) * 8;
#pragma unroll
    for (int tile = 0; tile < TILES; tile += 2) {
        u32 b[4];
        load4_transposed(b, shared_address(at + tile * 8));
        multiply(rows.out[tile], p, b[0], b[1]);
        multiply(rows.out[tile + 1], p, b[2], b[3]);
    }
}

// Each row's sum over the four threads that share it.
__device__ __forceinline__ void finish(Rows &rows) {
    rows.sum[0] = row_sum(rows.sum[0]);
    rows.sum[1] = row_sum(rows.sum[1]);
}

static_assert(ATTENTION_THREADS == DECODE_WARPS * WARP, "a block is all of its warps");

__device__ __forceinline__ void fetch_page(half_t *to, const half_t *pages, int page, int left, int kv_heads, int kv_head) {
    const half_t *from = pages + ((u64)page * kv_heads + kv_head) * PAGE * DIM;
    for (int piece = threadIdx.x % WARP; piece < PAGE * (DIM / 8); piece += WARP) {
        int token = piece / (DIM / 8), part = piece % (DIM / 8);
        fetch(shared_address(to + token * ROW + part * 8), from + token * DIM + part * 8, token < left);
    }
}

// One new token of each sequence. A block (split, KV head, sequence): the query heads that share the KV head are rows of one
// tile, warps take pages in turn, and the block writes what its split comes to, for `combine`. Where there are as many pages no
// split is empty, and none has more than a page more than another.
extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS) decode(const half_t *q, const half_t *keys, const half_t *values,
                                                         const int *tables, const int *lengths, float *parts, int table_width,
                                                         int kv_heads, float scale) {
    __shared__ __align__(16) half_t tiles[DECODE_WARPS][2][PAGE * ROW];
    __shared__ float mosts[DECODE_WARPS][16];
    int split = blockIdx.x, splits = gridDim.x, kv_head = blockIdx.y, sequence = blockIdx.z, q_heads = kv_heads * GROUP;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, length = lengths[sequence];
    const int *table = tables + (u64)sequence * table_width;
    int pages = (length + PAGE - 1) / PAGE, from = pages * split / splits, to = pages * (split + 1) / splits;
    half_t *k_tile = tiles[warp][0], *v_tile = tiles[warp][1];
    int upper = lane / 4, lower = upper + 8;
    const half_t *mine = q + ((u64)sequence * q_heads + kv_head * GROUP) * DIM;
    Rows rows;
    clear(rows);
    load_queries(rows, mine + (upper < GROUP ? upper : 0) * DIM, upper < GROUP, mine + (lower < GROUP ? lower : 0) * DIM,
                 lower < GROUP);
    if (from + warp < to) fetch_page(k_tile, keys, table[from + warp], length - (from + warp) * PAGE, kv_heads, kv_head);
    commit();
    for (int at = from + warp; at < to; at += DECODE_WARPS) {
        int left = length - at * PAGE;
        fetch_page(v_tile, values, table[at], left, kv_heads, kv_head);
        commit();
        arrive<1>();
        __syncwarp();
        float s[2][4], found[2] = {NOTHING, NOTHING};
        score(s, rows, k_tile);
        __syncwarp();
        int next = at + DECODE_WARPS;
        if (next < to) fetch_page(k_tile, keys, table[next], length - next * PAGE, kv_heads, kv_head);
        commit();
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                bool seen = half * 8 + (lane % 4) * 2 + i % 2 < left;
                s[half][i] = seen ? s[half][i] * scale : NOTHING;
                found[i / 2] = fmaxf(found[i / 2], s[half][i]);
            }
        float of_upper = update_max(rows.most[0], found[0]), of_lower = update_max(rows.most[1], found[1]);
        rescale(rows, of_upper, of_lower);
        arrive<1>();
        __syncwarp();
        accumulate(rows, s, v_tile);
        __syncwarp();
    }
    arrive<0>();
    finish(rows);
    if (lane % 4 == 0) {
        mosts[warp][upper] = rows.most[0];
        mosts[warp][lower] = rows.most[1];
    }
    __syncthreads();
    // Every warp's sums to the block's maximum, then one after the other into shared memory, which the tiles no longer need.
    float *sums = (float *)&tiles[0][0][0];
    float most[2] = {NOTHING, NOTHING};
    for (int other = 0; other < DECODE_WARPS; other++) {
        most[0] = fmaxf(most[0], mosts[other][upper]);
        most[1] = fmaxf(most[1], mosts[other][lower]);
    }
    rescale(rows, power(rows.most[0] - most[0]), power(rows.most[1] - most[1]));
    for (int adding = 0; adding < DECODE_WARPS; adding++) {
        if (adding == warp) {
#pragma unroll
            for (int tile = 0; tile < TILES; tile++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    float *cell = sums + (i < 2 ? upper : lower) * (DIM + 2) + tile * 8 + (lane % 4) * 2 + i % 2;
                    *cell = rows.out[tile][i] + (adding == 0 ? 0.0f : *cell);
                }
            if (lane % 4 == 0) {
                float *a = sums + upper * (DIM + 2) + DIM, *b = sums + lower * (DIM + 2) + DIM;
                a[1] = rows.sum[0] + (adding == 0 ? 0.0f : a[1]);
                b[1] = rows.sum[1] + (adding == 0 ? 0.0f : b[1]);
                a[0] = most[0];
                b[0] = most[1];
            }
        }
        __syncthreads();
    }
    float *part = parts + (((u64)sequence * kv_heads + kv_head) * splits + split) * GROUP * PART_ROW;
    for (int row = warp; row < GROUP; row += DECODE_WARPS)
        for (int i = lane; i < DIM + 2; i += WARP) part[row * PART_ROW + i] = sums[row * (DIM + 2) + i];
}

// The splits of a context together. A block (sequence, or new token of a prompt; query head), DIM threads.
extern "C" __global__ void combine(const float *parts, half_t *out, int splits, int kv_heads) {
    int token = blockIdx.x, head = blockIdx.y, kv_head = head / GROUP, row = head % GROUP, q_heads = kv_heads * GROUP;
    const float *first = parts + ((((u64)token * kv_heads + kv_head) * splits) * GROUP + row) * PART_ROW;
    u64 step = (u64)GROUP * PART_ROW;
    float most = NOTHING, sum = 0.0f, total = 0.0f;
    for (int split = 0; split < splits; split++) most = fmaxf(most, first[split * step + DIM]);
    for (int split = 0; split < splits; split++) {
        float factor = power(first[split * step + DIM] - most);
        total += factor * first[split * step + DIM + 1];
        sum += factor * first[split * step + threadIdx.x];
    }
    out[((u64)token * q_heads + head) * DIM + threadIdx.x] = narrow(sum / total);
}
