// FanOut: the same records to several sinks, in order.
#pragma once

#include <initializer_list>
#include <vector>

#include "records/record.h"

namespace gotrace::session {

class FanOut final : public RecordSink {
 public:
  // Null sinks are left out; the others must outlive this.
  FanOut(std::initializer_list<RecordSink*> sinks) {
    for (RecordSink* sink : sinks)
      if (sink != nullptr) sinks_.push_back(sink);
  }
  void accept(const Record& record) override {
    for (RecordSink* sink : sinks_) sink->accept(record);
  }

 private:
  std::vector<RecordSink*> sinks_;
};

}  // namespace gotrace::session
