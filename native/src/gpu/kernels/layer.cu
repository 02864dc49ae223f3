// What stands between the matrix products of a layer, and what measures the card itself.

extern "C" __global__ void nothing() {}

__device__ __forceinline__ u64 clocks_now() {
    u64 now;
    asm volatile("mov.u64 %0, %%clock64;" : "=l"(now));
    return now;
}

// Waits so many clocks of its multiprocessor; all others are idle.
extern "C" __global__ void spin(u64 clocks) {
    u64 begin = clocks_now();
    while (clocks_now() - begin < clocks) {}
}

// Made-up numbers from -scale to scale around `centre`: never zeros, which are faster than any real data.
extern "C" __global__ void fill(half_t *out, u64 count, u32 seed, float centre, float scale) {
    u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        u64 x = i + ((u64)seed << 40) + 0x9e3779b97f4a7c15ull;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        x ^= x >> 31;
        // 24 bits, which a float holds exactly.
        float unit = (float)(u32)(x >> 40) * (1.0f / 16777216.0f);
        out[i] = narrow(centre + (2.0f * unit - 1.0f) * scale);
    }
}

// Random bits, for packed weights.
extern "C" __global__ void scatter(u32 *out, u64 words, u32 seed) {
    u64 step = (u64)gridDim.x * blockDim.x;
    for (u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x; i < words; i += step) {
        u64 x = i + ((u64)seed << 40) + 0x9e3779b97f4a7c15ull;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        out[i] = (u32)(x ^ (x >> 31));
    }
}

// 16 bytes a thread, four in flight.
extern "C" __global__ void copy(const uint4 *from, uint4 *to, u64 count) {
    u64 step = (u64)gridDim.x * blockDim.x;
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    for (; i + 3 * step < count; i += 4 * step) {
        uint4 a = from[i], b = from[i + step], c = from[i + 2 * step], d = from[i + 3 * step];
        to[i] = a;
        to[i + step] = b;
        to[i + 2 * step] = c;
        to[i + 3 * step] = d;
    }
    for (; i < count; i += step) to[i] = from[i];
}

// What eight pairs of numbers come to, four words of two each. By value: through references loads of 16 bytes become four.
template <typename Of> __device__ __forceinline__ uint4 each(uint4 a, uint4 b, Of of) {
    return make_uint4(of(a.x, b.x), of(a.y, b.y), of(a.z, b.z), of(a.w, b.w));
}

__device__ __forceinline__ float square(u32 word) { return low(word) * low(word) + high(word) * high(word); }

// x += y where there is a y; out = x / rms(x) * weight. A block a row, in pieces of 16 bytes, of which a thread keeps up to
// NORM_PIECES in registers, so that `x` is read once.
extern "C" __global__ void __launch_bounds__(1024) add_norm(half_t *x, const half_t *y, const half_t *weight, half_t *out, int width,
                                                            float eps) {
    int pieces = width / 8;
    u64 row = (u64)blockIdx.x * pieces;
    uint4 *xs = (uint4 *)x + row, *outs = (uint4 *)out + row;
    const uint4 *ys = (const uint4 *)y + row, *ws = (const uint4 *)weight;
    uint4 kept[NORM_PIECES], weights[NORM_PIECES];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < NORM_PIECES; i++) {
        int at = threadIdx.x + i * blockDim.x;
        if (at >= pieces) break;
        kept[i] = xs[at];
        weights[i] = ws[at];
        if (y) {
            kept[i] = each(kept[i], ys[at], [](u32 a, u32 b) { return pack(low(a) + low(b), high(a) + high(b)); });
            xs[at] = kept[i];
        }
        sum += square(kept[i].x) + square(kept[i].y) + square(kept[i].z) + square(kept[i].w);
    }
    float scale = rsqrtf(block_sum(sum) / width + eps);
#pragma unroll
    for (int i = 0; i < NORM_PIECES; i++) {
        int at = threadIdx.x + i * blockDim.x;
        if (at >= pieces) break;
        outs[at] = each(kept[i], weights[i],
                        [scale](u32 a, u32 w) { return pack(low(a) * scale * low(w), high(a) * scale * high(w)); });
    }
}

// Rotary positions, and before them the norm of each head of queries and keys where the model has one; keys and values go
// to their pages. A warp a head, whose lanes hold two neighbours of each half; a block (tokens, heads of queries, keys and
// values). `angles` holds (cos, sin) by position and half of a head. Pages: [page][KV head][token in page][DIM].
extern "C" __global__ void rotary(const half_t *qkv, half_t *q, half_t *keys, half_t *values, const half_t *q_weight,
                                  const half_t *k_weight, const float4 *angles, const int *positions, const int *sequences,
                                  const int *tables, int table_width, int kv_heads, float eps) {
    int token = blockIdx.x, head = blockIdx.y * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
    int q_heads = kv_heads * GROUP;
    if (head >= q_heads + 2 * kv_heads) return;
    const u32 *in = (const u32 *)(qkv + ((u64)token * (q_heads + 2 * kv_heads) + head) * DIM);
    bool mine = lane < DIM / 4;
    u32 first = mine ? in[lane] : 0u, second = mine ? in[lane + DIM / 4] : 0u;
    int position = positions[token], page = tables[sequences[token] * table_width + position / PAGE];
    int kv_head = head < q_heads ? 0 : (head - q_heads) % kv_heads;
    u64 slot = (((u64)page * kv_heads + kv_head) * PAGE + position % PAGE) * DIM;
    bool is_value = head >= q_heads + kv_heads;
    u32 *out = (u32 *)(head < q_heads ? q + ((u64)token * q_heads + head) * DIM : (is_value ? values : keys) + slot);
    if (!is_value) {
        const u32 *weight = (const u32 *)(head < q_heads ? q_weight : k_weight);
        float a = low(first), b = high(first), c = low(second), d = high(second);
        if (weight) {
            float scale = rsqrtf(warp_sum(a * a + b * b + c * c + d * d) / DIM + eps);
            u32 left = mine ? weight[lane] : 0u, right = mine ? weight[lane + DIM / 4] : 0u;
            a *= scale * low(left);
            b *= scale * high(left);
            c *= scale * low(right);
            d *= scale * high(right);
        }
        if (!mine) return;
        float4 angle = angles[(u64)position * (DIM / 4) + lane];
        first = pack(a * angle.x - c * angle.y, b * angle.z - d * angle.w);
        second = pack(c * angle.x + a * angle.y, d * angle.z + b * angle.w);
    }
    if (!mine) return;
    out[lane] = first;
    out[lane + DIM / 4] = second;
}

__device__ __forceinline__ float gated(float gate) { return __fdividef(gate, 1.0f + __expf(-gate)); }

// silu(gate) * up; a row of `both` holds gate and up, each `width` wide. A block (row, part of it), 16 bytes a thread.
extern "C" __global__ void silu(const uint4 *both, uint4 *out, int width) {
    int pieces = width / 8, at = blockIdx.y * blockDim.x + threadIdx.x;
    if (at >= pieces) return;
    const uint4 *from = both + (u64)blockIdx.x * 2 * pieces + at;
    uint4 gate = from[0], up = from[pieces];
    out[(u64)blockIdx.x * pieces + at] =
        each(gate, up, [](u32 a, u32 b) { return pack(gated(low(a)) * low(b), gated(high(a)) * high(b)); });
}
