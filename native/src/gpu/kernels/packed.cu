// Weights of four bits: products of them, and the same as numbers of two bytes. A word holds eight of a row, the first in its
// lowest bits, around 8; SCALE_GROUP of a row share a scale, and rows are multiples of it.
//
// Products are meant to be bound by bytes, and may not be; nothing of it is measured. A block has 16 columns, or 32 beyond 8 rows,
// and reads all rows for them: of 8 and of 16 rows twice the bytes of its weights, of 32 rows four times. One multiprocessor's
// cache holds 8 rows of 9,728 (156 KB on an H200 with 256), not 32; the second-level cache then serves them. Wider blocks would
// read less, but a matrix of 2,560 columns has too few of them to go round unless its rows are cut as well, which takes a second
// kernel or a wait between blocks. Counted in the code for sm_90, 16 columns of 128 weights take a multiprocessor 43 to 45 clocks
// at the least (logic for 64 threads a clock); an H200 at 1,980 MHz has 57 for them at 4.8 TB/s, and fewer at a lower clock.

// a * b + c of two numbers each, rounded once.
__device__ __forceinline__ u32 fma2(u32 a, u32 b, u32 c) {
    u32 y;
#if BF16
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
#else
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(y) : "r"(a), "r"(b), "r"(c));
#endif
    return y;
}

// Eight weights without their scale, as numbers: exact. In bf16 the last bit of 128 is worth 1 (in fp16 that of 1,024), so that
// four bits n in its lower byte make 128 + n (1,024 + n), from which 136 (1,032) is taken.
__device__ __forceinline__ uint4 weights(u32 word) {
#if BF16
    const u32 powers = 0x43434343u, one = 0x3f803f80u, offset = 0xc308c308u;
#else
    const u32 powers = 0x64646464u, one = 0x3c003c00u, offset = 0xe408e408u;
#endif
    // Bytes of one weight each: those in even places, and in odd ones.
    u32 even = word & 0x0f0f0f0fu, odd = (word >> 4) & 0x0f0f0f0fu;
    u32 first = __byte_perm(even, odd, 0x5140), last = __byte_perm(even, odd, 0x7362);
    return make_uint4(fma2(__byte_perm(first, powers, 0x4140), one, offset), fma2(__byte_perm(first, powers, 0x4342), one, offset),
                      fma2(__byte_perm(last, powers, 0x4140), one, offset), fma2(__byte_perm(last, powers, 0x4342), one, offset));
}

// Eight weights times their scale, which stands in both halves of a word. What is added is -0, which changes nothing.
__device__ __forceinline__ uint4 scaled(u32 word, u32 scale) {
    const u32 nothing = 0x80008000u;
    uint4 plain = weights(word);
    return make_uint4(fma2(plain.x, scale, nothing), fma2(plain.y, scale, nothing), fma2(plain.z, scale, nothing),
                      fma2(plain.w, scale, nothing));
}

// A word a thread, four in flight: loads of four bytes and stores of 16 are whole sectors, while a load of 16 bytes a thread
// would make each store half sectors, four times what is loaded.
extern "C" __global__ void unpack4(const u32 *packed, const half_t *scales, uint4 *out, u64 words) {
    u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 first = (u64)blockIdx.x * blockDim.x + threadIdx.x; first < words; first += 4 * step) {
        u32 word[4], scale[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            u64 at = first + i * step;
            word[i] = at < words ? packed[at] : 0u;
            scale[i] = at < words ? scales[at / (SCALE_GROUP / 8)] * 0x10001u : 0u;
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (first + i * step < words) out[first + i * step] = scaled(word[i], scale[i]);
    }
}

// 16 bytes that are read once, so that the first cache is left to what is read again.
__device__ __forceinline__ uint4 stream(const u32 *from) {
    uint4 y;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(y.x), "=r"(y.y), "=r"(y.z), "=r"(y.w) : "l"(from));
    return y;
}

// What a lane holds of a chunk (SCALE_GROUP weights) of 16 columns: a quarter of two columns, lane / 4 and that plus 8.
struct Held {
    uint4 words[2];
    half_t scales[2];
};

// The groups of its two columns that a lane reads next, of the last column instead of one that does not exist.
struct Columns {
    u32 groups[2];
};

__device__ __forceinline__ Columns columns_from(int first, int chunk, int chunks, int columns) {
    Columns from;
#pragma unroll
    for (int half = 0; half < 2; half++)
        from.groups[half] = (u32)min(first + (int)(threadIdx.x % WARP) / 4 + half * 8, columns - 1) * chunks + chunk;
    return from;
}

// The chunk that lies so many further; `quarters` is the lane's of the first group.
__device__ __forceinline__ void hold(Held &held, const u32 *quarters, const half_t *scales, const Columns &from, int further) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
        u64 group = from.groups[half];
        held.words[half] = stream(quarters + group * (SCALE_GROUP / 8) + further * (SCALE_GROUP / 8));
        held.scales[half] = (scales + group)[further];
    }
}

// The words of a lane's quarter in the order in which it reads the rows: odd ones first where it is `swapped`.
__device__ __forceinline__ void reorder(Held &held, int swapped) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
        uint4 words = held.words[half];
        if (swapped) held.words[half] = make_uint4(words.y, words.x, words.w, words.z);
    }
}

__device__ __forceinline__ u32 word_of(const uint4 &words, int place) {
    return place == 0 ? words.x : place == 1 ? words.y : place == 2 ? words.z : words.w;
}

// The tile of 16 columns and 8 rows after one word of each column: two products of 16 numbers inside. Which numbers share a
// product is free, so a lane has weights that lie side by side, and the same place of the rows.
template <int TILES>
__device__ __forceinline__ void multiply_word(float (&sums)[TILES][4], u32 upper, u32 lower, const uint4 (&rows)[TILES]) {
    uint4 a = weights(upper), b = weights(lower);
    u32 first[4] = {a.x, b.x, a.y, b.y}, second[4] = {a.z, b.z, a.w, b.w};
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        multiply(sums[tile], first, rows[tile].x, rows[tile].y);
        multiply(sums[tile], second, rows[tile].z, rows[tile].w);
    }
}

// Sums of all warps, always in the same order, to memory. `sums[strip][tile]`: 16 columns, 8 rows.
template <int STRIPS, int TILES, int WARPS>
__device__ __forceinline__ void combine_warps(const float (&sums)[STRIPS][TILES][4], half_t *out, int rows, int columns) {
    __shared__ float4 parts[WARPS][STRIPS * TILES][WARP];
    int warp = threadIdx.x / WARP, quad = threadIdx.x % WARP / 4, pair = threadIdx.x % 4;
    // A lane's four sums: columns quad and quad + 8 of rows 2 pair and 2 pair + 1. With this XOR swizzle neither
    // stores nor loads meet in a bank.
#pragma unroll
    for (int strip = 0; strip < STRIPS; strip++)
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
            const float(&four)[4] = sums[strip][tile];
            parts[warp][strip * TILES + tile][pair * 8 + (quad ^ (2 * pair))] = make_float4(four[0], four[1], four[2], four[3]);
        }
    __syncthreads();
    // Half a warp takes 16 columns of a row: a sector.
    for (int at = threadIdx.x; at < STRIPS * TILES * 128; at += blockDim.x) {
        int of_strip = at % 16, odd = at / 16 % 2, of_pair = at / 32 % 4, part = at / 128;
        int place = of_pair * 8 + (of_strip % 8 ^ (2 * of_pair)), which = of_strip / 8 * 2 + odd;
        float sum = 0.0f;
#pragma unroll
        for (int of_warp = 0; of_warp < WARPS; of_warp++) sum += ((const float *)&parts[of_warp][part][place])[which];
        int row = part % TILES * 8 + of_pair * 2 + odd;
        int column = (blockIdx.x * STRIPS + part / TILES) * 16 + of_strip;
        if (row < rows && column < columns) out[(u64)row * columns + column] = narrow(sum);
    }
}

// Where a lane reads a row next: even and odd pieces, of 16 bytes, of its quarter.
struct Row {
    const half_t *pieces[2];
};

__device__ __forceinline__ uint4 piece_of(const Row &row, int further, int piece) {
    return *(const uint4 *)(row.pieces[piece % 2] + further * SCALE_GROUP + piece / 2 * 16);
}

// A chunk of 16 columns, times its scales, to their sums. Each piece of the rows is reloaded where it was used, so many chunks
// further, if that is asked for.
template <int TILES>
__device__ __forceinline__ void multiply_chunk(float (&sums)[TILES][4], Held &held, uint4 (&ahead)[4][TILES],
                                               const Row (&row)[TILES], int swapped, bool reload, int further) {
    float parts[TILES][4] = {};
    reorder(held, swapped);
#pragma unroll
    for (int piece = 0; piece < 4; piece++) {
        multiply_word(parts, word_of(held.words[0], piece), word_of(held.words[1], piece), ahead[piece]);
        if (!reload) continue;
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) ahead[piece][tile] = piece_of(row[tile], further, piece);
    }
    float upper = widen(held.scales[0]), lower = widen(held.scales[1]);
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int i = 0; i < 4; i++) sums[tile][i] += parts[tile][i] * (i < 2 ? upper : lower);
}

// out[m][n] = sum over k of x[m][k] * weight[n][k]. A block: STRIPS of 16 columns, up to TILES of 8 rows. Its warps take chunks
// of all columns in turn, weights DEPTH chunks ahead, rows one. Registers allow two blocks a multiprocessor, so that one works
// while another begins or ends.
template <int STRIPS, int TILES, int WARPS, int DEPTH>
__device__ __forceinline__ void product4(const half_t *x, const u32 *packed, const half_t *scales, half_t *out, int rows,
                                         int inner, int columns) {
    // The same in all lanes, which the compiler knows only so.
    int warp = __shfl_sync(ALL, (int)threadIdx.x / WARP, 0), chunks = inner / SCALE_GROUP;
    int quad = threadIdx.x % WARP / 4, quarter = threadIdx.x % 4;
    // Rows begin in the same bank, and so do the first quarter of a chunk and the third, the second and the fourth: these two
    // take each other's odd pieces when the others take their even ones.
    int swapped = quarter / 2;
    const u32 *quarters = packed + quarter * 4;
    Columns from[STRIPS];
    Row row[TILES];
    Held held[DEPTH][STRIPS];
    uint4 ahead[4][TILES];
    float sums[STRIPS][TILES][4] = {};
#pragma unroll
    for (int strip = 0; strip < STRIPS; strip++)
        from[strip] = columns_from((blockIdx.x * STRIPS + strip) * 16, warp, chunks, columns);
#pragma unroll
    for (int slot = 0; slot < DEPTH; slot++)
#pragma unroll
        for (int strip = 0; strip < STRIPS; strip++)
            if (warp + slot * WARPS < chunks) hold(held[slot][strip], quarters, scales, from[strip], slot * WARPS);
#pragma unroll
    for (int tile = 0; tile < TILES; tile++) {
        // The last row instead of one that does not exist: its sums are nobody's.
        const half_t *mine = x + (u64)min(tile * 8 + quad, rows - 1) * inner + warp * SCALE_GROUP + quarter * (SCALE_GROUP / 4);
        row[tile].pieces[0] = mine + swapped * 8;
        row[tile].pieces[1] = mine + (1 - swapped) * 8;
#pragma unroll
        for (int piece = 0; piece < 4; piece++)
            if (warp < chunks) ahead[piece][tile] = piece_of(row[tile], 0, piece);
    }
    for (int first = warp; first < chunks; first += DEPTH * WARPS) {
#pragma unroll
        for (int strip = 0; strip < STRIPS; strip++)
#pragma unroll
            for (int half = 0; half < 2; half++) from[strip].groups[half] += DEPTH * WARPS;
#pragma unroll
        for (int slot = 0; slot < DEPTH; slot++) {
            int chunk = first + slot * WARPS;
            if (chunk >= chunks) break;
#pragma unroll
            for (int strip = 0; strip < STRIPS; strip++) {
                // The last strip is the last to use the rows.
                bool reload = strip + 1 == STRIPS && chunk + WARPS < chunks;
                multiply_chunk(sums[strip], held[slot][strip], ahead, row, swapped, reload, (slot + 1) * WARPS);
                if (chunk + DEPTH * WARPS < chunks) hold(held[slot][strip], quarters, scales, from[strip], slot * WARPS);
            }
        }
#pragma unroll
        for (int tile = 0; tile < TILES; tile++)
#pragma unroll
            for (int odd = 0; odd < 2; odd++) row[tile].pieces[odd] += DEPTH * WARPS * SCALE_GROUP;
    }
    combine_warps<STRIPS, TILES, WARPS>(sums, out, rows, columns);
}

// Up to 8 rows, of which a block of 16 columns reads twice the bytes of its weights.
extern "C" __global__ void __launch_bounds__(WARPS_8 * WARP, 2) product4_8(const half_t *x, const u32 *packed, const half_t *scales,
                                                                half_t *out, int rows, int inner, int columns) {
    product4<STRIPS_8, 1, WARPS_8, 4>(x, packed, scales, out, rows, inner, columns);
}

// Up to 16 rows: again twice, as a block has 32 columns.
extern "C" __global__ void __launch_bounds__(WARPS_16 * WARP, 2) product4_16(const half_t *x, const u32 *packed, const half_t *scales,
                                                                 half_t *out, int rows, int inner, int columns) {
    product4<STRIPS_16, 2, WARPS_16, 3>(x, packed, scales, out, rows, inner, columns);
}

// Up to 32 rows: four times.
extern "C" __global__ void __launch_bounds__(WARPS_32 * WARP, 2) product4_32(const half_t *x, const u32 *packed, const half_t *scales,
                                                                 half_t *out, int rows, int inner, int columns) {
    product4<STRIPS_32, 4, WARPS_32, 3>(x, packed, scales, out, rows, inner, columns);
}
