#include <zstd.h>

#include <algorithm>
#include <span>
#include <utility>

#include "trace/encoder.h"
#include "trace/format.h"
#include "trace/output.h"
#include "trace/record_time.h"
#include "trace/trace.h"

namespace gotrace::trace {
namespace {

constexpr std::size_t kGoidsPerRecord = kMaxElements / 2;
// A chunk is at most a record short of full when the largest record comes on top.
static_assert(ZSTD_COMPRESSBOUND(kChunkTargetBytes + kMaxRecordBytes) < kMaxCompressedBytes);

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ChunkWriter final : public Writer {
 public:
  explicit ChunkWriter(Output output) : output_(std::move(output)), zstd_(ZSTD_createCCtx()) {
    if (zstd_ == nullptr) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, 1);
  }

  [[nodiscard]] Status start() {
    const auto header = file_header();
    return put({header.data(), header.size()});
  }

  void accept(const Record& record) override {
    if (finished_ || !status_.ok()) return;
    const auto* gone = std::get_if<GoroutinesGone>(&record);
    if (gone != nullptr && gone->goids.size() > kGoidsPerRecord) return accept_in_parts(*gone);
    encoder_.add(record);
    if (const auto time = time_of(record)) pending_.include(*time);
    if (encoder_.bytes() >= kChunkTargetBytes || pending_.length_ns() >= kChunkTargetNs) close_chunk();
  }

  Status flush() override {
    close_chunk();
    return status_;
  }

  Status finish() override {
    if (std::exchange(finished_, true)) return status_;
    close_chunk();
    if (status_.ok()) {
      const ChunkHeaderBytes end = encode(
          {.kind = static_cast<std::uint32_t>(ChunkKind::end), .sequence = sequence_, .checksum = checksum(Bytes{})});
      status_ = put({end.data(), end.size()});
    }
    Status closed = output_.close();
    if (status_.ok()) status_ = std::move(closed);
    return status_;
  }

  [[nodiscard]] Status status() const override { return status_; }
  [[nodiscard]] std::uint64_t bytes_written() const override { return output_.bytes_written(); }
  [[nodiscard]] std::uint64_t records_written() const override { return records_written_; }

 private:
  Status put(std::string_view bytes) { return output_.append(bytes); }

  // One record with very many goroutines and several with some of them each mean the same.
  void accept_in_parts(const GoroutinesGone& gone) {
    const std::span<const std::uint64_t> goids(gone.goids);
    for (std::size_t i = 0; i < goids.size(); i += kGoidsPerRecord) {
      const auto part = goids.subspan(i, std::min(kGoidsPerRecord, goids.size() - i));
      accept(GoroutinesGone{{part.begin(), part.end()}});
    }
  }

  // Header and compressed payload in one piece, so that one write() takes both.
  void close_chunk() {
    if (!status_.ok() || encoder_.records() == 0) return;
    const std::string_view payload = encoder_.payload();
    chunk_.resize(kChunkHeaderBytes + ZSTD_compressBound(payload.size()));
    const std::size_t compressed = ZSTD_compress2(zstd_.get(), chunk_.data() + kChunkHeaderBytes,
                                                  chunk_.size() - kChunkHeaderBytes, payload.data(), payload.size());
    if (ZSTD_isError(compressed) != 0) {
      status_ = failure(std::string("the trace can't be compressed: ") + ZSTD_getErrorName(compressed));
      return;
    }
    chunk_.resize(kChunkHeaderBytes + compressed);
    const ChunkHeaderBytes header =
        encode({.kind = static_cast<std::uint32_t>(ChunkKind::records),
                .sequence = sequence_++,
                .compressed_bytes = static_cast<std::uint32_t>(compressed),
                .payload_bytes = static_cast<std::uint32_t>(payload.size()),
                .records = encoder_.records(),
                .checksum = checksum(std::as_bytes(std::span(chunk_)).subspan(kChunkHeaderBytes))});
    std::copy(header.begin(), header.end(), chunk_.begin());
    status_ = put(chunk_);
    if (status_.ok()) records_written_ += encoder_.records();
    encoder_.clear();
    pending_ = TimeSpan();
  }

  Output output_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> zstd_;
  Encoder encoder_;
  TimeSpan pending_;   // of the records that are not in a chunk yet
  std::string chunk_;  // kept for its capacity
  std::uint32_t sequence_ = 0;
  std::uint64_t records_written_ = 0;
  Status status_ = success();
  bool finished_ = false;
};

Result<std::unique_ptr<Writer>> start_on(Output output) {
  auto writer = std::make_unique<ChunkWriter>(std::move(output));
  const Status started = writer->start();
  if (!started) return started.error();
  return std::unique_ptr<Writer>(std::move(writer));
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::create(const std::string& path, bool replace) {
  auto output = Output::create(path, replace);
  if (!output) return output.error();
  return start_on(std::move(*output));
}

Result<std::unique_ptr<Writer>> Writer::create_on(UniqueFd fd, std::string name) {
  return start_on(Output::on(std::move(fd), std::move(name)));
}

}  // namespace gotrace::trace
