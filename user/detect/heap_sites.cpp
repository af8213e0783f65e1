// Whose growth is it? The exact growth of a size class is shared out over the call sites by what survives of their
// allocations. Where that is ambiguous the interval says so: a site's lower bound is what is left of the growth when
// every other site is given all that of its own survived.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "detect/frames.h"
#include "detect/heap_parts.h"

namespace gotrace::detect {
namespace {

constexpr double kEnoughSamples = 8;  // of a class, to share its growth by them

struct Claim {  // of one site on one size class, bytes per second
  std::size_t site = 0;
  double likely = 0;  // allocations that survive
  double most = 0;    // upper bound of that
  double samples = 0;
};

struct Survival {
  double judged = 0, survived = 0;
};

std::size_t class_of(std::uint64_t size, const std::vector<std::uint32_t>& sizes) {
  if (sizes.empty() || size > sizes.back()) return 0;
  return static_cast<std::size_t>(std::lower_bound(sizes.begin() + 1, sizes.end(), size) - sizes.begin());
}

using SiteClass = std::pair<std::size_t, std::size_t>;

// Of the samples that a GC has judged; the older half of the window where there are enough, since what dies late has
// not had the time to do so among the younger.
std::map<SiteClass, Survival> survivals(const model::HeapTable& heap) {
  std::map<SiteClass, Survival> all;
  std::map<SiteClass, Survival> old;
  if (!heap.first()) return all;
  const std::uint64_t middle = heap.first()->time_ns + (heap.last()->time_ns - heap.first()->time_ns) / 2;
  for (const model::TrackedSample& sample : heap.tracked()) {
    if (!sample.judged || sample.objects <= 0) continue;
    const SiteClass key{sample.site, sample.size_class};
    for (auto* into : {&all, sample.time_ns < middle ? &old : nullptr}) {
      if (into == nullptr) continue;
      (*into)[key].judged += 1;
      (*into)[key].survived += sample.dead ? 0 : 1;
    }
  }
  for (auto& [key, value] : all)
    if (const auto found = old.find(key); found != old.end() && found->second.judged >= 5) value = found->second;
  return all;
}

class Sharing {
 public:
  Sharing(const model::Model& model, const HeapJudgement& judgement)
      : heap_(model.heap()), sizes_(model.target()->size_classes), judgement_(judgement), survival_(survivals(heap_)) {
    for (const auto& site : heap_.sites())
      for (const auto& [size_class, count] : site.samples) {
        hits_[size_class] += static_cast<double>(count.hits);
        weight_[size_class] += size_class == 0 ? count.bytes : count.objects;
      }
  }

  [[nodiscard]] std::vector<Claim> claims(std::size_t size_class) const {
    const bool tracked = size_class != 0;
    if (hits_[size_class] >= kEnoughSamples && tracked) return by_samples(size_class);
    auto profile = by_profile(size_class);
    if (!profile.empty()) return profile;
    return hits_[size_class] > 0 ? by_samples(size_class) : profile;
  }

  [[nodiscard]] Survival survival(std::size_t site, std::size_t size_class) const {
    const auto found = survival_.find({site, size_class});
    return found == survival_.end() ? Survival{} : found->second;
  }

 private:
  [[nodiscard]] std::vector<Claim> by_samples(std::size_t size_class) const {
    std::vector<Claim> result;
    const ClassGrowth& grown = judgement_.classes[size_class];
    const double rate = std::max(0.0, grown.allocated_per_second);
    const double expected = rate > 0 ? std::clamp(grown.growth.rate.value / rate, 0.0, 1.0) : 0;
    for (std::size_t i = 0; i < heap_.sites().size(); ++i) {
      const auto found = heap_.sites()[i].samples.find(static_cast<std::uint32_t>(size_class));
      if (found == heap_.sites()[i].samples.end()) continue;
      const double amount = size_class == 0 ? found->second.bytes : found->second.objects;
      const double allocates = rate * amount / weight_[size_class];
      const Survival seen = survival(i, size_class);
      const double share = seen.judged > 0 ? (seen.survived + expected) / (seen.judged + 1) : expected;
      const double doubt = seen.judged > 0 ? 1 / std::sqrt(seen.judged + 1) : 1;
      result.push_back({i, allocates * share, allocates * std::min(1.0, share + share * doubt + doubt * doubt),
                        static_cast<double>(found->second.hits)});
    }
    return result;
  }

  // Samples in use at the last look less those at the first; the pending cycles count where the published ones lag.
  [[nodiscard]] std::vector<Claim> by_profile(std::size_t size_class) const {
    std::vector<Claim> result;
    if (!heap_.profile() || !heap_.first_profile() || heap_.profile_looks() < 2) return result;
    const double seconds = static_cast<double>(heap_.profile()->time_ns - heap_.first_profile()->time_ns) / 1e9;
    if (seconds <= 0) return result;
    const auto rate = static_cast<double>(std::max<std::uint64_t>(1, heap_.profile()->rate));
    const bool lags = judgement_.gcs < 4;
    for (std::size_t i = 0; i < heap_.sites().size(); ++i) {
      Claim claim{i, 0, 0, 0};
      for (const auto& [size, count] : heap_.sites()[i].profile) {
        if (class_of(size, sizes_) != size_class) continue;
        const double allocs = static_cast<double>(count.allocs - std::min(count.allocs, count.first_allocs)) +
                              (lags ? static_cast<double>(count.pending_allocs) : 0);
        const double frees = static_cast<double>(count.frees - std::min(count.frees, count.first_frees)) +
                             (lags ? static_cast<double>(count.pending_frees) : 0);
        const auto bytes = static_cast<double>(size);
        const double scale = bytes / (1 - std::exp(-bytes / rate)) / seconds;
        claim.likely += std::max(0.0, allocs - frees) * scale;
        claim.most += (std::max(0.0, allocs - frees) + 2 * std::sqrt(allocs + frees)) * scale;
        claim.samples += allocs;
      }
      if (claim.samples > 0) result.push_back(claim);
    }
    return result;
  }

  const model::HeapTable& heap_;
  const std::vector<std::uint32_t>& sizes_;
  const HeapJudgement& judgement_;
  std::map<SiteClass, Survival> survival_;
  std::array<double, kSizeClasses> hits_{};
  std::array<double, kSizeClasses> weight_{};
};

struct Gathered {  // what a site's claims on all growing classes add up to
  Rate rate;
  double main_share = 0, main_rate = 0, samples = 0;
  std::size_t main_class = 0;
  bool doubtful = false;  // claims part of a growing class that others claim as well
  GrowthBasis basis = GrowthBasis::none;
};

void share_out(const ClassGrowth& grown, std::size_t size_class, const std::vector<Claim>& claims,
               std::map<std::size_t, Gathered>& gathered) {
  double likely = 0;
  double most = 0;
  double samples = 0;
  for (const Claim& claim : claims) {
    likely += claim.likely;
    most += claim.most;
    samples += claim.samples;
  }
  if (likely <= 0) return;
  const Rate& rate = grown.growth.rate;
  for (const Claim& claim : claims) {
    const double share = claim.likely / likely;
    const double value = rate.value * share;
    const double scatter = 2 * std::sqrt(share * (1 - share) / std::max(1.0, samples));
    const double others = std::max(most - claim.most, 0.0);
    const double even_low = rate.low * std::max(0.0, share - scatter);
    // Others may have grown at our cost only as far as their own survivors reach.
    const double low = share > 0.9 ? even_low : std::min(even_low, std::max(0.0, rate.low - others));
    Gathered& site = gathered[claim.site];
    site.rate.value += value;
    site.rate.low += std::max(0.0, low);
    site.rate.high += std::min(std::max(claim.most, value), rate.high * std::min(1.0, share + scatter) + 1);
    site.samples += claim.samples;
    site.doubtful = site.doubtful || low <= 0;
    site.basis = std::max(site.basis, grown.basis);
    if (value > site.main_rate) {
      site.main_rate = value;
      site.main_share = share;
      site.main_class = size_class;
    }
  }
}

struct LiveEstimate {
  double bytes = 0, objects = 0, alloc_bytes = 0, alloc_objects = 0, first_bytes = 0, samples = 0;
};

LiveEstimate live_of(const model::HeapTable& heap, const model::AllocationSite& site) {
  LiveEstimate live;
  if (!heap.profile() || heap.profile()->rate == 0) return live;
  const auto rate = static_cast<double>(heap.profile()->rate);
  for (const auto& [size, count] : site.profile) {
    const auto bytes = static_cast<double>(size);
    const double scale = bytes > 0 ? 1 / (1 - std::exp(-bytes / rate)) : 0;
    const double in_use = static_cast<double>(count.allocs) - static_cast<double>(std::min(count.frees, count.allocs));
    const double at_first =
        static_cast<double>(count.first_allocs) - static_cast<double>(std::min(count.first_frees, count.first_allocs));
    live.objects += in_use * scale;
    live.bytes += in_use * scale * bytes;
    live.first_bytes += at_first * scale * bytes;
    live.alloc_objects += static_cast<double>(count.allocs) * scale;
    live.alloc_bytes += static_cast<double>(count.allocs) * scale * bytes;
    live.samples += at_first;
  }
  return live;
}

std::uint64_t whole(double value) { return static_cast<std::uint64_t>(std::max(0.0, std::round(value))); }

// `whole_life`: the profile knows what was allocated before we came.
void judge_history(SiteGrowth& site, const Gathered& gathered, const HeapJudgement& judgement, const LiveEstimate& live,
                   bool whole_life) {
  const ClassGrowth& grown = judgement.classes[gathered.main_class];
  const double age = grown.seconds_at_attach;
  if (age <= 0) return;
  const bool sampled = whole_life && live.samples >= 10;
  const double before = sampled ? live.first_bytes : grown.live_at_attach * gathered.main_share;
  const double mean = before / age;
  const double now = sampled ? gathered.rate.value : gathered.main_rate;
  // In its first seconds a process has no history that could disagree.
  site.history_agrees = mean >= 0.5 * now || age < 3;
  site.history = site.history_agrees ? "the rate since the process started is about the same"
                                     : "it grew more slowly before: a ramp or a leak";
}

void fill_site(const model::Model& model, const HeapJudgement& judgement, const Gathered* gathered,
               const Sharing& sharing, SiteGrowth& site) {
  const auto& heap = model.heap();
  const auto& source = heap.sites()[site.site];
  CallSite& out = site.call_site;
  out.stack = source.stack;
  const LiveEstimate live = live_of(heap, source);
  const bool whole_life = !model.profile_is_ours();
  if (!source.profile.empty() && whole_life) {
    out.live_bytes = whole(live.bytes);
    out.live_objects = whole(live.objects);
    out.alloc_bytes = whole(live.alloc_bytes);
    out.alloc_objects = whole(live.alloc_objects);
  }
  if (gathered == nullptr) {
    out.trend = judgement.basis == GrowthBasis::none ? Trend::unknown : Trend::flat;
    out.verdict = out.trend == Trend::flat ? Verdict::healthy : Verdict::unknown;
    return;
  }
  site.basis = gathered->basis;
  site.share = gathered->main_share;
  site.samples = whole(gathered->samples);
  const Survival seen = sharing.survival(site.site, gathered->main_class);
  site.judged = whole(seen.judged);
  site.survived = whole(seen.survived);
  out.growth_bytes = gathered->rate;
  judge_history(site, *gathered, judgement, live, whole_life);
  const bool certain = gathered->rate.low > 0 && gathered->rate.value >= kMaterialBytesPerSecond && site.samples >= 3;
  out.trend = certain ? Trend::growing : gathered->rate.value < kMaterialBytesPerSecond ? Trend::flat : Trend::unknown;
  out.verdict = !certain              ? (out.trend == Trend::flat ? Verdict::healthy : Verdict::unknown)
                : site.history_agrees ? Verdict::leaking
                                      : Verdict::suspected;
  if (certain && !out.live_bytes && gathered->main_share > 0.9) {
    const ClassGrowth& grown = judgement.classes[gathered->main_class];
    out.live_bytes = whole(grown.live_bytes * gathered->main_share);
  }
}

}  // namespace

void judge_call_sites(const model::Model& model, HeapJudgement& judgement) {
  const auto& heap = model.heap();
  judgement.sites_known = !heap.sites().empty();
  if (!model.target() || heap.sites().empty()) return;
  const Sharing sharing(model, judgement);
  std::map<std::size_t, Gathered> gathered;
  for (std::size_t i = 0; i < kSizeClasses; ++i) {
    if (judgement.classes[i].growth.trend == Trend::growing)
      share_out(judgement.classes[i], i, sharing.claims(i), gathered);
  }
  for (std::size_t i = 0; i < heap.sites().size(); ++i) {
    SiteGrowth site;
    site.site = i;
    const auto found = gathered.find(i);
    fill_site(model, judgement, found == gathered.end() ? nullptr : &found->second, sharing, site);
    judgement.sites.push_back(std::move(site));
  }
  std::stable_sort(judgement.sites.begin(), judgement.sites.end(), [](const SiteGrowth& a, const SiteGrowth& b) {
    const auto rank = [](const SiteGrowth& s) {
      return std::pair(s.call_site.trend == Trend::growing ? s.call_site.growth_bytes->value : 0.0,
                       static_cast<double>(s.call_site.live_bytes.value_or(0)));
    };
    return rank(a) > rank(b);
  });
  UniqueIds ids;
  for (SiteGrowth& site : judgement.sites)
    site.call_site.id = ids.claim(stable_id("ac", "call-site", "", site.call_site.stack));
}

HeapJudgement judge_heap(const model::Model& model) {
  HeapJudgement judgement;
  judge_classes(model, judgement);
  judge_call_sites(model, judgement);
  return judgement;
}

}  // namespace gotrace::detect
