// See workbench.hpp.
#include "tests/backends/workbench.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "lib/base/float_formats.hpp"
#include "lib/tensor/block_formats.hpp"

namespace hadal::test {
namespace {

using Random = std::mt19937_64;

// Not std::uniform_real_distribution: its numbers differ between libraries.
float uniform(Random& random) { return static_cast<float>(random() >> 40) * 0x1p-24f; }

float normal(Random& random) {
  const float u = 1.0f - uniform(random), v = uniform(random);
  return std::sqrt(-2.0f * std::log(u)) * std::cos(6.2831853f * v);
}

// A scale as an f16 of a file.
uint16_t random_f16(Random& random, Scales scales) {
  const uint16_t sign = static_cast<uint16_t>((random() & 1) << 15);
  if (scales == Scales::kOrdinary) {
    return static_cast<uint16_t>(sign | f16_from_float(0.01f + 0.03f * uniform(random)));
  }
  switch (random() % 8) {
    case 0: return sign;                                                // zero
    case 1: return static_cast<uint16_t>(sign | 1);                     // the least subnormal
    case 2: return static_cast<uint16_t>(sign | 0x7bff);                // 65504
    default: return static_cast<uint16_t>(sign | (random() % 0x7c00));  // anything finite
  }
}

void set_f16(std::byte* block, size_t at, uint16_t bits) { std::memcpy(block + at, &bits, 2); }

// Where the f16 scales lie in a block.
std::vector<size_t> scale_offsets(DType dtype) {
  switch (dtype) {
    case DType::kF16: return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K: return {0, 2};
    case DType::kQ2_K: return {80, 82};
    case DType::kQ3_K: return {108};
    case DType::kQ6_K: return {208};
    case DType::kTQ1_0: return {52};
    case DType::kTQ2_0: return {64};
    case DType::kF32:
    case DType::kBF16:
    case DType::kF8_E4M3:
    case DType::kMXFP4:
    case DType::kNVFP4:
    case DType::kIQ1_M: return {};
    default: return {0};
  }
}

void fill_block(DType dtype, Scales scales, Random& random, std::byte* block) {
  const size_t size = static_cast<size_t>(info(dtype).block_bytes);
  for (size_t i = 0; i < size; ++i) block[i] = static_cast<std::byte>(random());
  for (const size_t at : scale_offsets(dtype)) set_f16(block, at, random_f16(random, scales));

  const bool extreme = scales == Scales::kExtreme;
  if (dtype == DType::kF32 || dtype == DType::kBF16) {
    const float value =
        normal(random) * (extreme ? std::exp2(40.0f * uniform(random) - 20.0f) : 0.02f);
    const uint32_t bits =
        dtype == DType::kF32 ? std::bit_cast<uint32_t>(value) : uint32_t{bf16_from_float(value)};
    std::memcpy(block, &bits, size);
  } else if (dtype == DType::kF8_E4M3) {  // every code but the two that are no numbers
    while ((block[0] & std::byte{0x7f}) == std::byte{0x7f})
      block[0] = static_cast<std::byte>(random());
  } else if (dtype == DType::kMXFP4) {  // a power of two; 255 is no number
    block[0] = static_cast<std::byte>(extreme ? 80 + random() % 80 : 118 + random() % 4);
  } else if (dtype == DType::kNVFP4) {
    for (size_t i = 0; i < 4; ++i) {
      block[i] = static_cast<std::byte>(extreme ? random() % 0x80 : 0x18 + random() % 0x10);
    }
  } else if (dtype == DType::kIQ1_M) {  // the scale is spread over the top bits of four numbers
    const uint16_t scale = random_f16(random, scales);
    for (size_t i = 0; i < 4; ++i) {
      const uint32_t low = static_cast<uint32_t>(random() & 0xfff);
      set_f16(block, 48 + 2 * i, static_cast<uint16_t>(low | ((scale >> (4 * i) & 0xfu) << 12)));
    }
  }
}

}  // namespace

Matrix Matrix::some_rows(int64_t first, int64_t n) const {
  return {n, cols, Floats(row(first), row(first) + n * cols)};
}

Matrix matrix(int64_t cols, Floats values) {
  const int64_t rows = static_cast<int64_t>(values.size()) / cols;
  return {rows, cols, std::move(values)};
}

Matrix matrix_of(int64_t rows, int64_t cols, float value) {
  return {rows, cols, Floats(static_cast<size_t>(rows * cols), value)};
}

Matrix random_matrix(int64_t rows, int64_t cols, uint64_t seed, float deviation) {
  Random random(seed);
  Matrix m = matrix_of(rows, cols, 0.0f);
  for (float& v : m.values) v = deviation * normal(random);
  return m;
}

Matrix TestWeight::decoded(int64_t slice) const {
  Matrix stored = matrix_of(source.rows, source.cols, 0.0f);
  for (int64_t r = 0; r < source.rows; ++r) {
    const std::byte* first = slices ? (*slices)[static_cast<size_t>(slice)]
                                    : source.data + slice * source.slice_stride_bytes;
    decode_row(source.dtype, first + r * source.row_stride_bytes, source.cols, stored.row(r));
    if (!scales) continue;
    const BlockScales& s = source.scales;
    const int64_t row = (s.first_row + slice * s.rows_per_slice + r) / s.block_rows;
    for (int64_t c = 0; c < source.cols; ++c)
      stored.row(r)[c] *= s.data[slice * s.slice_stride + row * s.row_stride + c / s.block_cols];
  }
  if (!source.transposed) return stored;
  Matrix turned = matrix_of(source.cols, source.rows, 0.0f);
  for (int64_t r = 0; r < source.rows; ++r) {
    for (int64_t c = 0; c < source.cols; ++c) turned.row(c)[r] = stored.row(r)[c];
  }
  return turned;
}

TestWeight weight_of(DType dtype, int64_t slices, int64_t rows, int64_t cols,
                     std::vector<std::byte> bytes) {
  TestWeight w;
  w.bytes = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  w.source.dtype = dtype;
  w.source.slices = slices;
  w.source.rows = rows;
  w.source.cols = cols;
  w.source.data = w.bytes->data();
  w.source.row_stride_bytes = row_bytes(dtype, cols);
  w.source.slice_stride_bytes = w.source.row_stride_bytes * rows;
  return w;
}

TestWeight f32_weight(int64_t slices, const Matrix& rows_of_all_slices) {
  const Matrix& m = rows_of_all_slices;
  std::vector<std::byte> bytes(m.values.size() * sizeof(float));
  std::memcpy(bytes.data(), m.values.data(), bytes.size());
  return weight_of(DType::kF32, slices, m.rows / slices, m.cols, std::move(bytes));
}

TestWeight random_weight(DType dtype, int64_t slices, int64_t rows, int64_t cols, uint64_t seed,
                         Scales scales) {
  Random random(seed);
  std::vector<std::byte> bytes(static_cast<size_t>(slices * rows * row_bytes(dtype, cols)));
  const size_t block_bytes = static_cast<size_t>(info(dtype).block_bytes);
  for (size_t at = 0; at < bytes.size(); at += block_bytes) {
    fill_block(dtype, scales, random, bytes.data() + at);
  }
  return weight_of(dtype, slices, rows, cols, std::move(bytes));
}

TestWeight with_scales(TestWeight weight, int64_t block_rows, int64_t block_cols, uint64_t seed) {
  WeightSource& source = weight.source;
  const int64_t across = (source.cols + block_cols - 1) / block_cols;
  const int64_t down = (source.rows + block_rows - 1) / block_rows;
  Random random(seed);
  Floats scales(static_cast<size_t>(source.slices * down * across));
  for (float& scale : scales) scale = std::exp2(4.0f * uniform(random) - 10.0f);
  weight.scales = std::make_shared<const Floats>(std::move(scales));
  source.scales.data = weight.scales->data();
  source.scales.block_rows = block_rows;
  source.scales.block_cols = block_cols;
  source.scales.row_stride = across;
  source.scales.slice_stride = down * across;
  return weight;
}

TestWeight with_slices_apart(const TestWeight& weight) {
  const WeightSource& source = weight.source;
  const auto size = static_cast<size_t>(source.rows * source.row_stride_bytes);
  const auto n = static_cast<size_t>(source.slices);
  std::vector<std::byte> bytes(n * (size + 3), std::byte{0x7f});
  std::vector<const std::byte*> slices;
  for (size_t s = 0; s < n; ++s) {
    std::byte* to = bytes.data() + (n - 1 - s) * (size + 3) + 1;
    std::memcpy(to, source.row(static_cast<int64_t>(s), 0), size);
    slices.push_back(to);
  }
  TestWeight apart = weight;
  apart.bytes = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  apart.slices = std::make_shared<const std::vector<const std::byte*>>(std::move(slices));
  apart.source.slice_data = apart.slices->data();
  apart.source.data = (*apart.slices)[0];
  apart.source.slice_stride_bytes = 0;
  return apart;
}

std::vector<DType> weight_dtypes() {
  std::vector<DType> dtypes;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (info(static_cast<DType>(i)).is_weight) dtypes.push_back(static_cast<DType>(i));
  }
  return dtypes;
}

void must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(message_of(status));
}

Tensor Workbench::allocate(DType dtype, int64_t rows, int64_t cols) {
  buffers_.push_back(must(backend_.allocate(dtype, rows, cols, MemoryTag::kScratch)));
  return buffers_.back().tensor;
}

Tensor Workbench::put(const Matrix& values) {
  const Tensor tensor = allocate(DType::kF32, values.rows, values.cols);
  backend_.write(tensor, values.values.data());
  return tensor;
}

Tensor Workbench::put(const Ids& ids, int64_t cols) {
  const Tensor tensor = allocate(DType::kI32, static_cast<int64_t>(ids.size()) / cols, cols);
  backend_.write(tensor, ids.data());
  return tensor;
}

Tensor Workbench::empty(int64_t rows, int64_t cols) {
  return put(matrix_of(rows, cols, std::numeric_limits<float>::quiet_NaN()));
}

Tensor Workbench::empty_ids(int64_t rows, int64_t cols) {
  return put(Ids(static_cast<size_t>(rows * cols), -1), cols);
}

Tensor Workbench::empty_bytes(int64_t rows, int64_t cols) {
  const Tensor bytes = allocate(DType::kI8, rows, cols);
  backend_.write(bytes,
                 std::vector<std::byte>(static_cast<size_t>(rows * cols), kUnwritten).data());
  return bytes;
}

const Weight& Workbench::upload(const TestWeight& weight) {
  sources_.push_back(weight);
  weights_.push_back(must(backend_.upload(weight.source)));
  return weights_.back();
}

Matrix Workbench::get(const Tensor& tensor) {
  Matrix m = matrix_of(tensor.rows, tensor.cols, 0.0f);
  must(backend_.read(tensor, m.values.data()));
  return m;
}

Ids Workbench::get_ids(const Tensor& tensor) {
  Ids ids(static_cast<size_t>(tensor.rows * tensor.cols));
  must(backend_.read(tensor, ids.data()));
  return ids;
}

std::vector<std::byte> Workbench::get_bytes(const Tensor& tensor) {
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.rows * tensor.cols));
  must(backend_.read(tensor, bytes.data()));
  return bytes;
}

Matrix product(Backend& backend, const Matrix& x, const TestWeight& w) {
  Workbench bench(backend);
  const Weight& weight = bench.upload(w);
  const Tensor out = bench.empty(x.rows, weight.out_features());
  backend.matmul(bench.put(x), weight, out);
  return bench.get(out);
}

}  // namespace hadal::test
