/* What lies between the matrix products of a training step, each in one pass over memory, in fp32 and one thread.

   Written so that a C compiler turns the inner loops into vector instructions by itself (-fopenmp-simd); no runtime
   library is needed. NaN and infinity go through as they would in torch. Arrays are contiguous unless a stride is given.
   A function that ends in _back takes the gradient of what the one before it made. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^x to 2 units in the last place: x = n ln 2 + r, a polynomial for e^r (Cephes), n into the exponent. */
static inline float exponential(float x) {
    x = x < -87.3f ? -87.3f : x;
    x = x > 88.7f ? 88.7f : x;
    float n = rintf(x * 1.44269504f);
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t bits = ((int32_t)n + 126) << 23; /* half of 2^n, which is a float for every n up to 128 */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale * 2.0f;
}

static inline float largest(const float *x, int64_t size) {
    float top = x[0];
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < size; i++) top = x[i] > top ? x[i] : top;
    return top;
}

/* x := e^(scale x - scale top), which is e^0 at the largest; returns the sum. */
static inline float exponentials(float *x, int64_t size, float scale) {
    float shift = scale * largest(x, size), sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < size; i++) {
        x[i] = exponential(scale * x[i] - shift);
        sum += x[i];
    }
    return sum;
}

/* sum = x + y where y is given, else sum is not written; normed = sum / rms(sum) * weight; scale = 1 / rms(sum).
   x, y, sum, normed: (rows, size); weight: (size); scale: (rows). */
void norm(const float *x, const float *y, const float *weight, float eps, int64_t rows, int64_t size, float *sum,
          float *normed, float *scale) {
    for (int64_t row = 0; row < rows; row++) {
        const float *in = x + row * size;
        if (y) {
            const float *add = y + row * size;
            float *out = sum + row * size;
#pragma omp simd
            for (int64_t i = 0; i < size; i++) out[i] = in[i] + add[i];
            in = out;
        }
        float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
        for (int64_t i = 0; i < size; i++) squares += in[i] * in[i];
        float s = 1.0f / sqrtf(squares / (float)size + eps);
        float *out = normed + row * size;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) out[i] = in[i] * s * weight[i];
        scale[row] = s;
    }
}

/* x: what was normed. grad: of normed; beside: of sum, or NULL. x_grad: (rows, size); weight_grad: (size). */
void norm_back(const float *grad, const float *beside, const float *x, const float *weight, const float *scale,
               int64_t rows, int64_t size, float *x_grad, float *weight_grad) {
    memset(weight_grad, 0, size * sizeof(float));
    for (int64_t row = 0; row < rows; row++) {
        const float *g = grad + row * size, *in = x + row * size;
        float *out = x_grad + row * size, s = scale[row], along = 0.0f;
#pragma omp simd reduction(+ : along)
        for (int64_t i = 0; i < size; i++) along += g[i] * weight[i] * in[i];
        float back = along * s * s / (float)size;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) {
            weight_grad[i] += g[i] * in[i] * s;
            out[i] = (g[i] * weight[i] - in[i] * back) * s;
        }
        if (beside) {
            const float *add = beside + row * size;
#pragma omp simd
            for (int64_t i = 0; i < size; i++) out[i] += add[i];
        }
    }
}

/* One head of one token: out = turned(in / rms(in) * weight); without weight it is only turned. Returns 1 / rms(in). */
static inline float turn_head(const float *in, const float *weight, const float *cosine, const float *sine, float eps,
                              int64_t width, float *out) {
    int64_t half = width / 2;
    float s = 1.0f;
    if (weight) {
        float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
        for (int64_t i = 0; i < width; i++) squares += in[i] * in[i];
        s = 1.0f / sqrtf(squares / (float)width + eps);
    }
#pragma omp simd
    for (int64_t i = 0; i < half; i++) {
        float low = in[i] * s, high = in[i + half] * s;
        if (weight) low *= weight[i], high *= weight[i + half];
        out[i] = low * cosine[i] + high * sine[i];
        out[i + half] = high * cosine[i + half] + low * sine[i + half];
    }
    return s;
}

static inline void turn_head_back(const float *grad, const float *in, const float *weight, const float *cosine,
                                  const float *sine, float s, int64_t width, float *in_grad, float *weight_grad) {
    int64_t half = width / 2;
    float along = 0.0f;
#pragma omp simd reduction(+ : along)
    for (int64_t i = 0; i < half; i++) {
        float low = grad[i] * cosine[i] + grad[i + half] * sine[i + half];
        float high = grad[i + half] * cosine[i + half] + grad[i] * sine[i];
        if (weight) {
            weight_grad[i] += low * in[i] * s;
            weight_grad[i + half] += high * in[i + half] * s;
            low *= weight[i], high *= weight[i + half];
            along += low * in[i] + high * in[i + half];
        }
        in_grad[i] = low, in_grad[i + half] = high;
    }
    if (!weight) return;
    float back = along * s * s / (float)width;
#pragma omp simd
    for (int64_t i = 0; i < width; i++) in_grad[i] = (in_grad[i] - in[i] * back) * s;
}

/* joined: (batch, length, (heads + 2 groups) width), the queries, keys and values of each token side by side.
   q: (batch, heads, length, width); k, v: (batch, groups, length, width); q and k normed per head and turned.
   cosine, sine: (length, width), `sine` with the sign of the half it meets. q_weight, k_weight: (width) or NULL.
   scale: (batch, length, heads + groups), 1 / rms of each head, written where there are weights. */
void heads(const float *joined, const float *q_weight, const float *k_weight, const float *cosine, const float *sine,
           float eps, int64_t batch, int64_t length, int64_t heads, int64_t groups, int64_t width, float *q, float *k,
           float *v, float *scale) {
    for (int64_t b = 0; b < batch; b++)
        for (int64_t t = 0; t < length; t++) {
            const float *in = joined + (b * length + t) * (heads + 2 * groups) * width;
            float *s = scale + (b * length + t) * (heads + groups);
            for (int64_t h = 0; h < heads + groups; h++) {
                int64_t key = h - heads;
                float *out = key < 0 ? q + ((b * heads + h) * length + t) * width
                                     : k + ((b * groups + key) * length + t) * width;
                s[h] = turn_head(in + h * width, key < 0 ? q_weight : k_weight, cosine + t * width, sine + t * width,
                                 eps, width, out);
            }
            for (int64_t h = 0; h < groups; h++)
                memcpy(v + ((b * groups + h) * length + t) * width, in + (heads + groups + h) * width,
                       width * sizeof(float));
        }
}

void heads_back(const float *q_grad, const float *k_grad, const float *v_grad, const float *joined,
                const float *q_weight, const float *k_weight, const float *cosine, const float *sine,
                const float *scale, int64_t batch, int64_t length, int64_t heads, int64_t groups, int64_t width,
                float *joined_grad, float *q_weight_grad, float *k_weight_grad) {
    if (q_weight) {
        memset(q_weight_grad, 0, width * sizeof(float));
        memset(k_weight_grad, 0, width * sizeof(float));
    }
    for (int64_t b = 0; b < batch; b++)
        for (int64_t t = 0; t < length; t++) {
            int64_t token = b * length + t, first = token * (heads + 2 * groups) * width;
            for (int64_t h = 0; h < heads + groups; h++) {
                int64_t key = h - heads;
                const float *grad = key < 0 ? q_grad + ((b * heads + h) * length + t) * width
                                            : k_grad + ((b * groups + key) * length + t) * width;
                turn_head_back(grad, q_weight ? joined + first + h * width : 0, key < 0 ? q_weight : k_weight,
                               cosine + t * width, sine + t * width, scale[token * (heads + groups) + h], width,
                               joined_grad + first + h * width, key < 0 ? q_weight_grad : k_weight_grad);
            }
            for (int64_t h = 0; h < groups; h++)
                memcpy(joined_grad + first + (heads + groups + h) * width,
                       v_grad + ((b * groups + h) * length + t) * width, width * sizeof(float));
        }
}

/* x := softmax(scale x) over the first keys of each row, 0 behind them; x: (rows, size). Row r is query r % block of a
   block whose first query sees `first` keys, the next one more, and so on. */
void causal_softmax(float *x, float scale, int64_t rows, int64_t size, int64_t block, int64_t first) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t keys = first + row % block;
        float *p = x + row * size, sum = exponentials(p, keys, scale), over = 1.0f / sum;
#pragma omp simd
        for (int64_t i = 0; i < keys; i++) p[i] *= over;
        memset(p + keys, 0, (size - keys) * sizeof(float));
    }
}

/* grad := gradient of x, from that of the probabilities p. */
void causal_softmax_back(float *grad, const float *p, float scale, int64_t rows, int64_t size, int64_t block,
                         int64_t first) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t keys = first + row % block;
        float *g = grad + row * size, mean = 0.0f;
        const float *at = p + row * size;
#pragma omp simd reduction(+ : mean)
        for (int64_t i = 0; i < keys; i++) mean += at[i] * g[i];
#pragma omp simd
        for (int64_t i = 0; i < keys; i++) g[i] = at[i] * (g[i] - mean) * scale;
        memset(g + keys, 0, (size - keys) * sizeof(float));
    }
}

/* z := softmax(z) - onehot(target); returns the sum over the rows of -log softmax(z)[target]. z: (rows, size). */
double cross_entropy(float *z, const int64_t *target, int64_t rows, int64_t size) {
    double nats = 0.0;
    for (int64_t row = 0; row < rows; row++) {
        float *p = z + row * size, wanted = p[target[row]], top = largest(p, size);
        float sum = exponentials(p, size, 1.0f), over = 1.0f / sum;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) p[i] *= over;
        p[target[row]] -= 1.0f;
        nats += (double)(logf(sum) + (top - wanted));
    }
    return nats;
}

/* y = max(x, 0)^2 */
void squared_relu(const float *x, int64_t size, float *y) {
#pragma omp simd
    for (int64_t i = 0; i < size; i++) {
        float above = x[i] < 0.0f ? 0.0f : x[i];
        y[i] = above * above;
    }
}

void squared_relu_back(const float *grad, const float *x, int64_t size, float *x_grad) {
#pragma omp simd
    for (int64_t i = 0; i < size; i++) x_grad[i] = 2.0f * grad[i] * (x[i] < 0.0f ? 0.0f : x[i]);
}

/* joined: (rows, 2 size), gate and up side by side; y = silu(gate) up: (rows, size). */
void swiglu(const float *joined, int64_t rows, int64_t size, float *y) {
    for (int64_t row = 0; row < rows; row++) {
        const float *gate = joined + row * 2 * size, *up = gate + size;
        float *out = y + row * size;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) out[i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
    }
}

void swiglu_back(const float *grad, const float *joined, int64_t rows, int64_t size, float *joined_grad) {
    for (int64_t row = 0; row < rows; row++) {
        const float *gate = joined + row * 2 * size, *up = gate + size, *g = grad + row * size;
        float *gate_grad = joined_grad + row * 2 * size, *up_grad = gate_grad + size;
#pragma omp simd
        for (int64_t i = 0; i < size; i++) {
            float open = 1.0f / (1.0f + exponential(-gate[i]));
            up_grad[i] = g[i] * gate[i] * open;
            gate_grad[i] = g[i] * up[i] * open * (1.0f + gate[i] * (1.0f - open));
        }
    }
}
