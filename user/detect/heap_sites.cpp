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

constexpr double kEnoughSamples = 8;   // of a class, to share its growth by them
constexpr double kEnoughFates = 20;    // large objects of all sites, to go by their fates and not by the heap profile
constexpr double kAboutTheSame = 0.7;  // of today's rate, before we looked
constexpr double kFallen = 3;          // times that: what was loaded at start-up is not yet a leak

struct Claim {  // of one site on one size class, bytes per second
  std::size_t site = 0;
  double likely = 0;  // allocations that survive
  double most = 0;    // upper bound of that
  double samples = 0;
  bool measured = false;  // what survives of its own was seen, not taken for what survives in the class
  bool counted = false;   // its growth itself was counted, by the heap profile: `most` is off by chance only
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
    for (const auto& [key, seen] : survival_) large_judged_ += key.second == 0 ? seen.judged : 0;
  }

  [[nodiscard]] std::vector<Claim> claims(std::size_t size_class) const {
    // What becomes of large objects is followed only where these are few.
    const bool tracked = size_class != 0 || large_judged_ >= kEnoughFates;
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
                        static_cast<double>(found->second.hits), seen.judged > 0});
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
      Claim claim{i, 0, 0, 0, true, true};
      for (const auto& [size, count] : heap_.sites()[i].profile) {
        if (class_of(size, sizes_) != size_class) continue;
        const auto at = [&](std::uint64_t published, std::uint64_t pending) {
          return static_cast<double>(published) + (lags ? static_cast<double>(pending) : 0);
        };
        const double allocs =
            at(count.allocs, count.pending_allocs) - at(count.first_allocs, count.first_pending_allocs);
        const double frees = at(count.frees, count.pending_frees) - at(count.first_frees, count.first_pending_frees);
        const double first_in_use =
            at(count.first_allocs, count.first_pending_allocs) - at(count.first_frees, count.first_pending_frees);
        const double grown = std::max(0.0, allocs - frees);
        // The end of each sampled object is noted: chance is in how many of those that replaced others were sampled,
        // and in how many of the new, not in all that came and went.
        const double replaced = std::clamp(frees, 0.0, std::max(0.0, first_in_use));
        const double chance = std::sqrt(2 * replaced + grown);
        const auto bytes = static_cast<double>(size);
        const double scale = bytes / (1 - std::exp(-bytes / rate)) / seconds;
        claim.likely += grown * scale;
        claim.most += (grown + 2 * chance) * scale;
        claim.samples += std::max(0.0, allocs);
      }
      if (claim.samples > 0) result.push_back(claim);
    }
    return result;
  }

  const model::HeapTable& heap_;
  const std::vector<std::uint32_t>& sizes_;
  const HeapJudgement& judgement_;
  std::map<SiteClass, Survival> survival_;
  double large_judged_ = 0;
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

// Of likely / (sum of all likely), times that sum: claims are off independently of each other.
double deviation_of_share(const std::vector<Claim>& claims, const Claim& of, double share) {
  double variance = 0;
  for (const Claim& claim : claims) {
    const double deviation = (claim.most - claim.likely) / 2 * (claim.site == of.site ? 1 - share : share);
    variance += deviation * deviation;
  }
  return std::sqrt(variance);
}

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
    const double scatter = claim.counted ? 2 * deviation_of_share(claims, claim, share) / likely
                                         : 2 * std::sqrt(share * (1 - share) / std::max(1.0, samples));
    const double others = std::max(most - claim.most, 0.0);
    const double even_low = rate.low * std::max(0.0, share - scatter);
    // Others may have grown at our cost only as far as their own survivors reach; nearly all of a class is beyond that,
    // but not when who allocates most is all that is known.
    const bool nearly_all = (share > 0.9 && claim.measured) || claim.counted;
    const bool by_chance = claim.counted && claim.most >= 2 * claim.likely;
    const double low = by_chance ? 0 : nearly_all ? even_low : std::min(even_low, std::max(0.0, rate.low - others));
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
  double bytes = 0, objects = 0, alloc_bytes = 0, alloc_objects = 0;
  double first_bytes = 0;          // at the first look, as published then: two collections late
  double first_pending_bytes = 0;  // what was to be published after it
  double samples = 0;              // that first_bytes rests on
  double alloc_samples = 0;        // that alloc_bytes rests on
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
    live.first_pending_bytes += std::max(0.0, static_cast<double>(count.first_pending_allocs) -
                                                  static_cast<double>(count.first_pending_frees)) *
                                scale * bytes;
    live.samples += at_first;
    live.alloc_samples += static_cast<double>(count.allocs);
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
  // Of what was not yet published as much stayed as of what we saw.
  const double stays = site.judged > 0 ? static_cast<double>(site.survived) / static_cast<double>(site.judged) : 1;
  const double before =
      sampled ? live.first_bytes + stays * live.first_pending_bytes : grown.live_at_attach * gathered.main_share;
  const double mean = before / age;
  const double now = sampled ? gathered.rate.value : gathered.main_rate;
  const double doubt = sampled ? 1 / std::sqrt(live.samples) : 0;
  const bool slower = mean * (1 + doubt) < kAboutTheSame * now;
  // Only the site's own bytes can tell this: a size class holds those of others as well.
  const bool much_faster = sampled && mean > kFallen * now;
  // In its first seconds a process has no history that could disagree.
  site.history_agrees = (!slower && !much_faster) || age < 3;
  site.history = site.history_agrees ? "the rate since the process started is about the same"
                 : slower            ? "it grew more slowly before: a ramp or a leak"
                                     : "most of it came earlier, at a rate that has fallen since";
}

// Of all that it allocated, much less is in use than stays in our window: it keeps things for longer than we look, and
// lets them go (logs that are compacted, caches that are rebuilt). The heap profile has seen the ends that we have not.
bool lets_go_later(const SiteGrowth& site, const LiveEstimate& live) {
  constexpr double kEnough = 20;
  constexpr std::uint64_t kEnoughJudged = 5;
  if (live.alloc_samples < kEnough || site.judged < kEnoughJudged) return false;
  const double in_use = live.bytes / live.alloc_bytes;
  const double at_most = in_use + 2 * std::sqrt(in_use * (1 - in_use) / live.alloc_samples) + 1 / live.alloc_samples;
  return at_most < 0.5 * static_cast<double>(site.survived) / static_cast<double>(site.judged);
}

// What became of its allocations could not be told: one of its size classes may grow.
bool allocates_in_doubt(const HeapJudgement& judgement, const model::AllocationSite& source) {
  return judgement.unsettled_bytes > 0 &&
         std::any_of(source.samples.begin(), source.samples.end(), [&](const auto& sampled) {
           return sampled.first < kSizeClasses && judgement.classes[sampled.first].growth.trend == Trend::unknown;
         });
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
    const bool open = judgement.basis == GrowthBasis::none || allocates_in_doubt(judgement, source);
    out.trend = open ? Trend::unknown : Trend::flat;
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
  const bool certain = gathered->rate.low > 0 && gathered->rate.value >= kMaterialBytesPerSecond && site.samples >= 3 &&
                       !(whole_life && lets_go_later(site, live));
  out.trend = certain ? Trend::growing : gathered->rate.value < kMaterialBytesPerSecond ? Trend::flat : Trend::unknown;
  // What the runtime allocates for itself follows from something else that grows, such as the number of goroutines.
  const bool own = std::all_of(out.stack.begin(), out.stack.end(), of_runtime);
  out.verdict = !certain || own       ? (out.trend == Trend::flat ? Verdict::healthy : Verdict::unknown)
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
