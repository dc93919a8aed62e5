#include "nn/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FOIL_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3", "no-math-errno", "associative-math", "no-signed-zeros", "no-trapping-math")))
#else
#define FOIL_CLONES
#endif

namespace foil::nn::kernels {

namespace {

// e^x for x in the range softmax meets, relative error below 2e-7: range reduction and a degree-6 polynomial; vectorises.
[[gnu::always_inline]] inline float fast_exp(float x) {
  x = std::max(x, -87.0f);
  x = std::min(x, 88.0f);
  const float k = std::floor(x * 1.44269504f + 0.5f);
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (int32_t(k) + 127) << 23;
  float two_k;
  std::memcpy(&two_k, &bits, 4);
  return p * two_k;
}

constexpr int64_t kRows = 4, kColumns = 32;

// A full 4 × 32 tile: the accumulators stay in registers.
[[gnu::always_inline]] inline void tile(int64_t K, const float* A, int64_t a_row, int64_t a_col, const float* B, int64_t b_row, float* C,
                                        int64_t c_row, bool accumulate) {
  float acc[kRows][kColumns];
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t j = 0; j < kColumns; ++j) acc[r][j] = accumulate ? C[r * c_row + j] : 0.0f;
  for (int64_t k = 0; k < K; ++k) {
    const float* b = B + k * b_row;
    for (int64_t r = 0; r < kRows; ++r) {
      const float a = A[r * a_row + k * a_col];
      for (int64_t j = 0; j < kColumns; ++j) acc[r][j] += a * b[j];
    }
  }
  for (int64_t r = 0; r < kRows; ++r)
    for (int64_t j = 0; j < kColumns; ++j) C[r * c_row + j] = acc[r][j];
}

}  // namespace

FOIL_CLONES void multiply(int64_t M, int64_t N, int64_t K, const float* A, int64_t a_row, int64_t a_col, const float* B, int64_t b_row, float* C,
                          int64_t c_row, bool accumulate) {
  const int64_t full_m = M - M % kRows, full_n = N - N % kColumns;
  for (int64_t m = 0; m < full_m; m += kRows)
    for (int64_t n = 0; n < full_n; n += kColumns)
      tile(K, A + m * a_row, a_row, a_col, B + n, b_row, C + m * c_row + n, c_row, accumulate);
  auto edge = [&](int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
    for (int64_t m = m0; m < m1; ++m) {
      float* c = C + m * c_row;
      if (!accumulate) std::fill(c + n0, c + n1, 0.0f);
      for (int64_t k = 0; k < K; ++k) {
        const float a = A[m * a_row + k * a_col];
        const float* b = B + k * b_row;
        for (int64_t n = n0; n < n1; ++n) c[n] += a * b[n];
      }
    }
  };
  if (full_n < N) edge(0, full_m, full_n, N);
  if (full_m < M) edge(full_m, M, 0, N);
}

FOIL_CLONES void linear_rows(int64_t M, int64_t N, int64_t K, const float* A, int64_t a_row, const float* B, int64_t b_row, const float* bias, float* C,
                             int64_t c_row) {
  constexpr int64_t kLanes = 16;
  const int64_t full = K - K % kLanes;
  for (int64_t n = 0; n < N; ++n) {
    const float* b = B + n * b_row;
    for (int64_t m = 0; m < M; m += 4) {  // four rows read b once; rows past the end repeat the last
      const float* a[4];
      for (int64_t r = 0; r < 4; ++r) a[r] = A + std::min(m + r, M - 1) * a_row;
      float lanes[4][kLanes] = {};
      for (int64_t k = 0; k < full; k += kLanes)
        for (int64_t r = 0; r < 4; ++r)
          for (int64_t j = 0; j < kLanes; ++j) lanes[r][j] += a[r][k + j] * b[k + j];
      for (int64_t r = 0; r < 4 && m + r < M; ++r) {
        float sum = bias ? bias[n] : 0.0f;
        for (int64_t j = 0; j < kLanes; ++j) sum += lanes[r][j];
        for (int64_t k = full; k < K; ++k) sum += a[r][k] * b[k];
        C[(m + r) * c_row + n] = sum;
      }
    }
  }
}

FOIL_CLONES void transpose(int64_t rows, int64_t columns, const float* in, int64_t in_row, float* out, int64_t out_row) {
  for (int64_t r0 = 0; r0 < rows; r0 += 16)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t r = r0; r < std::min(r0 + 16, rows); ++r) out[c * out_row + r] = in[r * in_row + c];
}

FOIL_CLONES float softmax_row(float* x, int64_t n, float scale, bool normalise) {
  float top = x[0];
  for (int64_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
  const float shift = top * scale;
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    x[i] = fast_exp(x[i] * scale - shift);
    sum += x[i];
  }
  if (normalise) {
    const float inverse = 1.0f / sum;
    for (int64_t i = 0; i < n; ++i) x[i] *= inverse;
  }
  return shift + std::log(sum);
}

FOIL_CLONES void exp_row(float* x, int64_t n, float scale, float lse) {
  for (int64_t i = 0; i < n; ++i) x[i] = fast_exp(x[i] * scale - lse);
}

FOIL_CLONES float dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

FOIL_CLONES void add_row(float* out, const float* in, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] += in[i];
}

FOIL_CLONES void rms_norm(const float* x, const float* w, float* y, float* inverse_rms, int64_t rows, int64_t n, float eps) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    float squares = 0;
    for (int64_t i = 0; i < n; ++i) squares += x[i] * x[i];
    const float inverse = 1.0f / std::sqrt(squares / float(n) + eps);
    if (inverse_rms) inverse_rms[r] = inverse;
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse * w[i];
  }
}

FOIL_CLONES void rms_norm_backward(const float* x, const float* w, const float* inverse_rms, const float* dy, float* dx, float* dw_partial,
                                   int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r, x += n, dy += n, dx += n) {
    const float inverse = inverse_rms[r];
    float inner = 0;
    for (int64_t i = 0; i < n; ++i) inner += dy[i] * w[i] * x[i];
    const float shift = inner * inverse * inverse * inverse / float(n);
    for (int64_t i = 0; i < n; ++i) {
      dw_partial[i] += dy[i] * x[i] * inverse;
      dx[i] = dy[i] * w[i] * inverse - x[i] * shift;
    }
  }
}

FOIL_CLONES void swiglu(const float* gate, const float* up, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1.0f + fast_exp(-gate[i])) * up[i];
}

FOIL_CLONES void swiglu_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float s = 1.0f / (1.0f + fast_exp(-gate[i]));
    dup[i] = dout[i] * gate[i] * s;
    dgate[i] = dout[i] * up[i] * s * (1.0f + gate[i] * (1.0f - s));
  }
}

FOIL_CLONES void rotate(const float* in, float* out, int64_t heads, int64_t d, const float* cosine, const float* sine, float direction) {
  const int64_t half = d / 2;
  for (int64_t h = 0; h < heads; ++h, in += d, out += d)
    for (int64_t i = 0; i < half; ++i) {
      const float a = in[i], b = in[i + half], s = sine[i] * direction;
      out[i] = a * cosine[i] - b * s;
      out[i + half] = b * cosine[i] + a * s;
    }
}

}  // namespace foil::nn::kernels
