#include <fmt/format.h>
#include <zstd.h>

#include <cstring>
#include <memory>
#include <vector>

#include "base/private_file.h"
#include "base/units.h"
#include "trace/decoder.h"
#include "trace/format.h"
#include "trace/input.h"
#include "trace/trace.h"

namespace gotrace::trace {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Status check_file_header(Bytes bytes, const std::string& name) {
  if (bytes.empty()) return failure(fmt::format("{}: empty, not a gotrace-leak trace", name));
  const std::size_t comparable = std::min(bytes.size(), kMagic.size());
  if (std::memcmp(bytes.data(), kMagic.data(), comparable) != 0) {
    return failure(fmt::format("{}: not a gotrace-leak trace (wrong magic)", name));
  }
  const auto major = load<std::uint16_t>(bytes, kMagic.size());
  const auto minor = load<std::uint16_t>(bytes, kMagic.size() + sizeof(kMajor));
  if (!major || !minor)
    return failure(fmt::format("{}: the trace ends within its first {} bytes", name, kFileHeaderBytes));
  if (*major > kMajor) {
    return failure(
        fmt::format("{}: trace format {}.{} is newer than {}.{}, which this gotrace-leak reads; "
                    "use a newer gotrace-leak",
                    name, *major, *minor, kMajor, kMinor));
  }
  if (*major < kMajor) return failure(fmt::format("{}: unknown trace format {}.{}", name, *major, *minor));
  return success();
}

class ChunkReader {
 public:
  ChunkReader(Input& input, RecordSink& sink) : input_(input), delivery_(sink), zstd_(ZSTD_createDCtx()) {
    if (zstd_ == nullptr) throw std::bad_alloc();
  }

  ReadSummary run() {
    summary_.bytes_read = input_.offset();
    while (!summary_.complete && read_chunk()) continue;
    if (skipped_since_chunk_) ++summary_.damaged_chunks;
    summary_.records = delivery_.records();
    summary_.unknown_fields = delivery_.unknown_fields();
    summary_.lost_references = delivery_.ids().lost_references();
    summary_.first_to_last_ns = delivery_.span().length_ns();
    summary_.trouble = trouble();
    return summary_;
  }

 private:
  // False: the input has ended.
  bool read_chunk() {
    const Bytes bytes = input_.peek(kChunkHeaderBytes);
    if (bytes.size() < kChunkHeaderBytes) return false;
    const auto header = decode_chunk_header(bytes);
    if (!header || header->compressed_bytes > kMaxCompressedBytes || header->payload_bytes > kMaxPayloadBytes) {
      return resynchronize();
    }
    const Bytes whole = input_.peek(kChunkHeaderBytes + header->compressed_bytes);
    const auto compressed = slice(whole, kChunkHeaderBytes, header->compressed_bytes);
    if (!compressed) return false;
    note_sequence(*header);
    const bool good = checksum(*compressed) == header->checksum && take(*header, *compressed);
    input_.consume(whole.size());
    if (good) {
      summary_.bytes_read = input_.offset();
    } else {
      ++summary_.damaged_chunks;
    }
    return true;
  }

  // What stands here is no chunk. Its length can't be trusted, so the next marker is looked for, in time proportional
  // to what is skipped. The chunk that should have been here shows as a gap in the sequence numbers.
  bool resynchronize() {
    skipped_since_chunk_ = true;
    input_.consume(1);
    return input_.seek(kSyncMarker);
  }

  void note_sequence(const ChunkHeader& header) {
    if (header.sequence > expected_sequence_) {
      summary_.damaged_chunks += header.sequence - expected_sequence_;
    } else if (skipped_since_chunk_) {
      ++summary_.damaged_chunks;
    }
    skipped_since_chunk_ = false;
    expected_sequence_ = header.sequence + 1;
  }

  // Delivers the chunk. False: its contents are not what the header says.
  bool take(const ChunkHeader& header, Bytes compressed) {
    if (header.kind == static_cast<std::uint32_t>(ChunkKind::end)) {
      summary_.complete = true;
    } else if (header.kind == static_cast<std::uint32_t>(ChunkKind::records)) {
      if (!decompress(header, compressed)) return false;
      const std::uint64_t before = delivery_.records();
      decode_payload({payload_.data(), header.payload_bytes}, delivery_);
      const std::uint64_t delivered = delivery_.records() - before;
      if (header.records > delivered) summary_.unknown_records += header.records - delivered;
    } else {
      summary_.unknown_records += header.records;  // a kind of chunk of a newer minor version
    }
    return true;
  }

  // Never writes more than the header announced, and that was checked: a bomb does not go off.
  bool decompress(const ChunkHeader& header, Bytes compressed) {
    if (ZSTD_getFrameContentSize(compressed.data(), compressed.size()) != header.payload_bytes) return false;
    if (payload_.size() < header.payload_bytes) payload_.resize(header.payload_bytes);
    const std::size_t size =
        ZSTD_decompressDCtx(zstd_.get(), payload_.data(), header.payload_bytes, compressed.data(), compressed.size());
    return ZSTD_isError(size) == 0 && size == header.payload_bytes;
  }

  [[nodiscard]] std::string trouble() const {
    std::string text;
    if (!summary_.complete) {
      const std::string why = input_.error() == 0 ? "recorder killed?" : system_text(input_.error());
      text = fmt::format("trace ends early at {} ({}); {:.1f} s are complete",
                         format_bytes(static_cast<double>(summary_.bytes_read)), why,
                         static_cast<double>(summary_.first_to_last_ns) / 1e9);
    }
    if (summary_.damaged_chunks > 0) {
      text += fmt::format("{}{} damaged {} left out", text.empty() ? "" : "; ", format_count(summary_.damaged_chunks),
                          summary_.damaged_chunks == 1 ? "chunk is" : "chunks are");
    }
    return text;
  }

  Input& input_;
  Delivery delivery_;
  std::unique_ptr<ZSTD_DCtx, FreeContext> zstd_;
  ReadSummary summary_;
  std::vector<char> payload_;
  std::uint64_t expected_sequence_ = 0;
  bool skipped_since_chunk_ = false;
};

Result<ReadSummary> read_all(Input& input, const std::string& name, RecordSink& sink) {
  const Bytes start = input.peek(kFileHeaderBytes);
  if (start.empty() && input.error() != 0) {
    return failure(fmt::format("{}: can't read the trace: {}", name, system_text(input.error())));
  }
  const Status good = check_file_header(start, name);
  if (!good) return good.error();
  input.consume(kFileHeaderBytes);
  return ChunkReader(input, sink).run();
}

}  // namespace

Result<ReadSummary> read(const std::string& path, RecordSink& sink) {
  auto input = Input::open(path);
  if (!input) return input.error();
  return read_all(*input, path == "-" ? "stdin" : path, sink);
}

Result<ReadSummary> read_bytes(std::string_view bytes, const std::string& name, RecordSink& sink) {
  Input input = Input::of(bytes);
  return read_all(input, name, sink);
}

}  // namespace gotrace::trace
