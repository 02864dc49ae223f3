// Attention of one prompt's new tokens. The query heads that share a KV head are rows of one tile (row r is head r % GROUP of
// new token r / GROUP), so that keys and values are read once for all of them and few tokens fill a tile. Rows in shared
// memory are laid out by an XOR swizzle; `rescale` and `accumulate` are the online softmax.

// Rows of a warp, of a block's TILE_ROWS. Its two tiles of 16 share what it loads of keys and values: an A100's tensor cores then
// take 96 bytes a clock of the 128 that shared memory gives, 64 for fragments of keys and values, 16 for those of queries, 16 for
// the copies of cp.async; an H100's, twice as fast, 192. With one tile for each of eight warps it would be 160 and 320.
#define WARP_ROWS 32
static_assert(TILE_ROWS == ATTENTION_THREADS / WARP * WARP_ROWS, "a block's rows are its warps'");
static_assert(TILE_PLACES == 3, "keys, values, and what comes next");
#define ROW_BYTES (DIM * 2)
#define TILE_BYTES (TILE_TOKENS * ROW_BYTES)

// Where 16 bytes of a row lie, by an XOR swizzle: the same piece of eight rows lies in different banks. With rows that begin at
// multiples of their size, piece 2i of a row whose piece 0 is at `at` is at `at ^ 32i`.
__device__ __forceinline__ u32 swizzled(u32 row, u32 piece) { return row * ROW_BYTES + ((piece ^ row % 8) * 16); }

// The row that a thread names when a warp loads four matrices: in turn rows 0 and 8 of columns 0, then of columns 8.
__device__ __forceinline__ u32 down_first() {
    u32 lane = threadIdx.x % WARP;
    return swizzled(lane / 8 % 2 * 8 + lane % 8, lane / 16);
}

// The same, columns first.
__device__ __forceinline__ u32 across_first() {
    u32 lane = threadIdx.x % WARP;
    return swizzled(lane / 16 * 8 + lane % 8, lane / 8 % 2);
}

// What the rows of a block are.
struct Tile {
    int first, rows, kv_heads, kv_head;

    __device__ __forceinline__ bool has(int row) const { return first + row < rows; }

    // Where a row lies in queries and outputs.
    __device__ __forceinline__ u64 at(int row) const {
        int token = (first + row) / GROUP, head = kv_head * GROUP + (first + row) % GROUP;
        return ((u64)token * (kv_heads * GROUP) + head) * DIM;
    }

    // Where what it comes to in a split lies.
    __device__ __forceinline__ u64 part_at(int row, int split, int splits) const {
        int token = (first + row) / GROUP;
        return ((((u64)token * kv_heads + kv_head) * splits + split) * GROUP + (first + row) % GROUP) * PART_ROW;
    }
};

__device__ __forceinline__ void fetch_queries(u32 to, const half_t *q, const Tile &tile) {
#pragma unroll 4
    for (int piece = threadIdx.x; piece < TILE_ROWS * (DIM / 8); piece += ATTENTION_THREADS) {
        int row = piece / (DIM / 8), part = piece % (DIM / 8);
        bool there = tile.has(row);
        fetch(to + swizzled(row, part), q + (there ? tile.at(row) : 0) + part * 8, there);
    }
}

// Where the pages of 64 tokens lie among all KV heads' pages; those behind the end are the last one again.
__device__ __forceinline__ void find(u32 (&pages)[TILE_TOKENS / PAGE], const int *table, const Tile &tile, int at, int end) {
#pragma unroll
    for (int i = 0; i < TILE_TOKENS / PAGE; i++)
        pages[i] = table[min(at * (TILE_TOKENS / PAGE) + i, (end - 1) / PAGE)] * tile.kv_heads + tile.kv_head;
}

// Keys or values of 64 tokens, of which `left` are there. A KV head's page is in one piece, so that a thread's places are the
// same in each.
__device__ __forceinline__ void fetch_tokens(u32 to, const half_t *from, const u32 (&pages)[TILE_TOKENS / PAGE], int left) {
#pragma unroll
    for (int i = 0; i < TILE_TOKENS / PAGE; i++)
#pragma unroll
        for (int round = 0; round < PAGE * DIM / 8 / ATTENTION_THREADS; round++) {
            int piece = round * ATTENTION_THREADS + threadIdx.x, token = i * PAGE + piece / (DIM / 8);
            fetch(to + swizzled(token, piece % (DIM / 8)), from + (u64)pages[i] * (PAGE * DIM) + piece * 8, token < left);
        }
}

// What a warp keeps of its rows. Each thread holds parts of four: of both tiles, lane / 4 and that plus 8.
struct Rows {
    float out[2][TILES][4];
    float most[2][2];
    float sum[2][2];
};

__device__ __forceinline__ void clear(Rows &rows) {
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int i = 0; i < 4; i++) rows.out[m][tile][i] = 0.0f;
        rows.most[m][0] = rows.most[m][1] = NOTHING;
        rows.sum[m][0] = rows.sum[m][1] = 0.0f;
    }
}

// Of a warp's rows against 64 tokens.
typedef float Scores[2][TILE_TOKENS / 8][4];

__device__ __forceinline__ void score(Scores &s, u32 queries, u32 keys) {
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int tile = 0; tile < TILE_TOKENS / 8; tile++)
#pragma unroll
            for (int i = 0; i < 4; i++) s[m][tile][i] = 0.0f;
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        u32 q[2][4];
        load4(q[0], queries ^ chunk * 32);
        load4(q[1], (queries ^ chunk * 32) + 16 * ROW_BYTES);
#pragma unroll
        for (int tile = 0; tile < TILE_TOKENS / 8; tile += 2) {
            u32 k[4];
            load4(k, (keys ^ chunk * 32) + tile * 8 * ROW_BYTES);
#pragma unroll
            for (int m = 0; m < 2; m++) {
                multiply(s[m][tile], q[m], k[0], k[1]);
                multiply(s[m][tile + 1], q[m], k[2], k[3]);
            }
        }
    }
}

// Takes away what a row does not see. `seen`: the last of the 64 tokens that the first new token sees; `row`: the warp's first.
__device__ __forceinline__ void hide(Scores &s, int seen, int row) {
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int last = seen + (row + m * 16 + half * 8 + lane / 4) / GROUP;
#pragma unroll
            for (int tile = 0; tile < TILE_TOKENS / 8; tile++)
#pragma unroll
                for (int i = 0; i < 2; i++)
                    if (tile * 8 + (lane % 4) * 2 + i > last) s[m][tile][half * 2 + i] = __int_as_float(0xff800000);
        }
}

// Raises the rows' maxima to those of the scores, and rescales their sums.
__device__ __forceinline__ void rescale(Rows &rows, const Scores &s, float scale) {
    float factors[2][2];
    bool same = true;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float found = s[m][0][half * 2];
#pragma unroll
            for (int tile = 0; tile < TILE_TOKENS / 8; tile++)
                found = fmaxf(found, fmaxf(s[m][tile][half * 2], s[m][tile][half * 2 + 1]));
            factors[m][half] = update_max(rows.most[m][half], found * scale);
            same = same && factors[m][half] == 1.0f;
        }
    // Behind the first tokens maxima are seldom found anew.
    if (__all_sync(ALL, same)) return;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            rows.sum[m][half] *= factors[m][half];
#pragma unroll
            for (int tile = 0; tile < TILES; tile++) {
                rows.out[m][tile][half * 2] *= factors[m][half];
                rows.out[m][tile][half * 2 + 1] *= factors[m][half];
            }
        }
}

// Adds the values of half of the tokens, weighted by what the scores come to.
template <int HALF> __device__ __forceinline__ void accumulate(Rows &rows, const Scores &s, u32 values, float scale) {
#pragma unroll
    for (int part = HALF * TILE_TOKENS / 32; part < (HALF + 1) * TILE_TOKENS / 32; part++) {
        u32 p[2][4];
#pragma unroll
        for (int m = 0; m < 2; m++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const float(&two)[4] = s[m][part * 2 + i / 2];
                float first = power(fmaf(two[i % 2 * 2], scale, -rows.most[m][i % 2]));
                float second = power(fmaf(two[i % 2 * 2 + 1], scale, -rows.most[m][i % 2]));
                rows.sum[m][i % 2] += first + second;
                p[m][i] = pack(first, second);
            }
#pragma unroll
        for (int tile = 0; tile < TILES; tile += 2) {
            u32 v[4];
            load4_transposed(v, (values ^ tile * 16) + part * 16 * ROW_BYTES);
#pragma unroll
            for (int m = 0; m < 2; m++) {
                multiply(rows.out[m][tile], p[m], v[0], v[1]);
                multiply(rows.out[m][tile + 1], p[m], v[2], v[3]);
            }
        }
    }
}

// A warp's results, by way of where its queries were: 16 bytes a thread at a time. `row`: the warp's first in the tile.
__device__ __forceinline__ void write_results(const Rows &rows, char *room, half_t *out, const Tile &tile, int row) {
    int lane = threadIdx.x % WARP;
    __syncwarp();
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float over = 1.0f / row_sum(rows.sum[m][half]);
            int at = row + m * 16 + half * 8 + lane / 4;
#pragma unroll
            for (int part = 0; part < TILES; part++)
                *(u32 *)(room + swizzled(at, part) + lane % 4 * 4) =
                    pack(rows.out[m][part][half * 2] * over, rows.out[m][part][half * 2 + 1] * over);
        }
    __syncwarp();
    for (int piece = lane; piece < WARP_ROWS * (DIM / 8); piece += WARP) {
        int at = row + piece / (DIM / 8), part = piece % (DIM / 8);
        if (tile.has(at)) *(uint4 *)(out + tile.at(at) + part * 8) = *(const uint4 *)(room + swizzled(at, part));
    }
}

// What a warp's rows come to in a split, for `combine`.
__device__ __forceinline__ void write_part(const Rows &rows, float *parts, const Tile &tile, int row) {
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float sum = row_sum(rows.sum[m][half]);
            int at = row + m * 16 + half * 8 + lane / 4;
            if (!tile.has(at)) continue;
            float *to = parts + tile.part_at(at, blockIdx.z, gridDim.z);
#pragma unroll
            for (int part = 0; part < TILES; part++)
                store2(to + part * 8 + lane % 4 * 2, rows.out[m][part][half * 2], rows.out[m][part][half * 2 + 1]);
            if (lane % 4 < 2) to[DIM + lane % 4] = lane % 4 == 0 ? rows.most[m][half] : sum;
        }
}

// `count` new tokens behind `cached` ones that lie in pages, the new ones' keys and values already beside them. A block (KV head,
// tile of rows, split); with one split it writes results, else parts. `scale` has log2(e) in it.
// Keys and values of 64 tokens come in turn through three places: while one is multiplied, up to two are on their way.
extern "C" __global__ void __launch_bounds__(ATTENTION_THREADS, 2)
    prefill(const half_t *q, const half_t *keys, const half_t *values, const int *table, float *parts, half_t *out, int count,
            int cached, int kv_heads, float scale) {
    extern __shared__ __align__(256) char room[];
    // The longest rows first, so that the last blocks are short.
    Tile tile = {(int)(gridDim.y - 1 - blockIdx.y) * TILE_ROWS, count * GROUP, kv_heads, (int)blockIdx.x};
    int row = threadIdx.x / WARP * WARP_ROWS, seen = cached + (tile.first + row) / GROUP;
    // The block sees as much of the context as its last row, and takes its share of that.
    int end = cached + (min(tile.first + TILE_ROWS, tile.rows) - 1) / GROUP + 1, tiles = (end + TILE_TOKENS - 1) / TILE_TOKENS;
    int at = tiles * blockIdx.z / gridDim.z, to = tiles * (blockIdx.z + 1) / gridDim.z;
    u32 queries = shared_address(room), of_keys = queries + TILE_ROWS * ROW_BYTES, of_values = of_keys + TILE_BYTES;
    u32 of_next = of_values + TILE_BYTES;
    u32 pages[TILE_TOKENS / PAGE];
    Rows rows;
    clear(rows);
    if (at < to) {
        fetch_queries(queries, q, tile);
        find(pages, table, tile, at, end);
        fetch_tokens(of_keys, keys, pages, end - at * TILE_TOKENS);
        commit();
        fetch_tokens(of_values, values, pages, end - at * TILE_TOKENS);
        commit();
    }
    for (; at < to; at++) {
        Scores s;
        // As if it were another in each turn: what is made of it is not to be kept in registers.
        asm volatile("" : "+r"(row));
        find(pages, table, tile, at + 1, end);
        arrive<1>();
        __syncthreads();
        if (at + 1 < to) fetch_tokens(of_next, keys, pages, end - (at + 1) * TILE_TOKENS);
        commit();
        if (tile.has(row)) {
            score(s, queries + row * ROW_BYTES + down_first(), of_keys + across_first());
            if (seen < at * TILE_TOKENS + TILE_TOKENS - 1) hide(s, cached - at * TILE_TOKENS, tile.first + row);
            rescale(rows, s, scale);
        }
        arrive<1>();
        __syncthreads();
        if (tile.has(row)) accumulate<0>(rows, s, of_values + down_first(), scale);
        // Not earlier: half of the scores' registers are free now.
        if (at + 1 < to) fetch_tokens(of_keys, values, pages, end - (at + 1) * TILE_TOKENS);
        commit();
        if (tile.has(row)) accumulate<1>(rows, s, of_values + down_first(), scale);
        u32 used = of_values;
        of_values = of_keys;
        of_keys = of_next;
        of_next = used;
    }
    if (!tile.has(row)) return;
    if (gridDim.z == 1)
        write_results(rows, room, out, tile, row);
    else
        write_part(rows, parts, tile, row);
}
