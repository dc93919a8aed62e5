#include "eval/separability.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"

namespace foil::eval {
namespace {

using Sparse = std::vector<std::pair<uint32_t, double>>;  // feature, value; sorted by feature

double dot(const Sparse& x, const std::vector<double>& w) {
  double sum = w.back();  // intercept
  for (const auto& [i, v] : x) sum += w[i] * v;
  return sum;
}

// L2-regularised logistic regression (intercept free) by truncated Newton: conjugate gradients on Hessian products, so that
// hundreds of thousands of features cost no matrix. Minimises Σ log(1 + e^{−y f(x)}) + l2/2 |w|². Weights, intercept last.
class LogisticRegression {
 public:
  LogisticRegression(const std::vector<Sparse>& x, const std::vector<bool>& y, const std::vector<uint32_t>& rows, size_t features, double l2)
      : x_(x), y_(y), rows_(rows), l2_(l2), w_(features + 1, 0.0) {}

  std::vector<double> fit() {
    std::vector<double> g = gradient();
    const double first = norm(g);
    double loss = value(w_);
    for (int iteration = 0; iteration < 30 && norm(g) > 1e-4 * first && norm(g) > 1e-9; ++iteration) {
      const std::vector<double> step = newton_step(g);
      double along = 0, scale = 1;
      for (size_t i = 0; i < g.size(); ++i) along += g[i] * step[i];
      bool moved = false;
      for (int halving = 0; halving < 30 && !moved; ++halving, scale /= 2) {
        std::vector<double> next = w_;
        for (size_t i = 0; i < next.size(); ++i) next[i] += scale * step[i];
        const double there = value(next);
        if (there <= loss + 1e-4 * scale * along) w_ = std::move(next), loss = there, moved = true;
      }
      if (!moved) break;
      g = gradient();
    }
    return w_;
  }

 private:
  static double norm(const std::vector<double>& v) {
    double s = 0;
    for (const double x : v) s += x * x;
    return std::sqrt(s);
  }
  double value(const std::vector<double>& w) const {
    double sum = 0;
    for (const uint32_t r : rows_) {
      const double m = (y_[r] ? 1 : -1) * dot(x_[r], w);
      sum += m > 0 ? std::log1p(std::exp(-m)) : std::log1p(std::exp(m)) - m;
    }
    for (size_t i = 0; i + 1 < w.size(); ++i) sum += 0.5 * l2_ * w[i] * w[i];
    return sum;
  }
  std::vector<double> gradient() {
    std::vector<double> g(w_.size(), 0.0);
    curvature_.assign(rows_.size(), 0.0);
    for (size_t k = 0; k < rows_.size(); ++k) {
      const uint32_t r = rows_[k];
      const double p = 1 / (1 + std::exp(-dot(x_[r], w_)));
      const double e = p - (y_[r] ? 1 : 0);
      curvature_[k] = p * (1 - p);
      for (const auto& [i, v] : x_[r]) g[i] += e * v;
      g.back() += e;
    }
    for (size_t i = 0; i + 1 < g.size(); ++i) g[i] += l2_ * w_[i];
    return g;
  }
  std::vector<double> hessian_times(const std::vector<double>& d) const {
    std::vector<double> out(d.size(), 0.0);
    for (size_t k = 0; k < rows_.size(); ++k) {
      const double c = curvature_[k] * dot(x_[rows_[k]], d);
      for (const auto& [i, v] : x_[rows_[k]]) out[i] += c * v;
      out.back() += c;
    }
    for (size_t i = 0; i + 1 < d.size(); ++i) out[i] += l2_ * d[i];
    out.back() += 1e-8 * d.back();
    return out;
  }
  std::vector<double> newton_step(const std::vector<double>& g) const {
    std::vector<double> s(g.size(), 0.0), r(g.size()), d;
    for (size_t i = 0; i < g.size(); ++i) r[i] = -g[i];
    d = r;
    double rr = norm(r) * norm(r);
    const double enough = 0.05 * norm(g);
    for (int i = 0; i < 50 && std::sqrt(rr) > enough; ++i) {
      const auto hd = hessian_times(d);
      double curve = 0;
      for (size_t k = 0; k < d.size(); ++k) curve += d[k] * hd[k];
      if (curve <= 0) break;
      const double a = rr / curve;
      double next = 0;
      for (size_t k = 0; k < d.size(); ++k) {
        s[k] += a * d[k];
        r[k] -= a * hd[k];
        next += r[k] * r[k];
      }
      for (size_t k = 0; k < d.size(); ++k) d[k] = r[k] + next / rr * d[k];
      rr = next;
    }
    return s;
  }

  const std::vector<Sparse>& x_;
  const std::vector<bool>& y_;
  const std::vector<uint32_t>& rows_;
  double l2_;
  std::vector<double> w_, curvature_;
};

struct Features {
  std::vector<Sparse> rows;
  std::vector<std::string> names;
};

Features format_matrix(const std::vector<const LabelledText*>& texts) {
  Features f;
  f.names = format_feature_names();
  std::vector<std::vector<double>> raw;
  for (const auto* t : texts) raw.push_back(format_features(t->text));
  for (size_t c = 0; c < f.names.size(); ++c) {
    std::vector<double> column;
    for (auto& r : raw) column.push_back(r[c]);
    const double m = mean(column), sd = standard_deviation(column);
    for (auto& r : raw) r[c] = sd > 0 ? (r[c] - m) / sd : 0;
  }
  for (const auto& r : raw) {
    auto& row = f.rows.emplace_back();
    for (uint32_t c = 0; c < r.size(); ++c) row.emplace_back(c, r[c]);
  }
  return f;
}

// Lower-case words and numbers; every other printed character is a word of its own.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto wordlike = [](unsigned char x) { return std::isalnum(x) || x >= 0x80; };
    if (std::isspace(c)) {
      if (c == '\n') out.push_back("⏎");
      ++i;
    } else if (wordlike(c)) {
      std::string word;
      while (i < text.size() && wordlike(static_cast<unsigned char>(text[i]))) word += char(std::tolower(static_cast<unsigned char>(text[i++])));
      out.push_back(word);
    } else {
      out.emplace_back(1, text[i++]);
    }
  }
  return out;
}

// tf-idf of 1–3-grams that occur in at least two problems, rows of length √(features of style): unit rows times a constant.
Features word_matrix(const std::vector<const LabelledText*>& texts) {
  struct Gram {
    std::string text;
    int64_t documents = 0;
    uint32_t last_group = UINT32_MAX;
    int groups = 0;
    uint32_t column = UINT32_MAX;
  };
  std::unordered_map<uint64_t, Gram> grams;  // 64-bit hashes: no collisions to speak of
  std::unordered_map<std::string, uint32_t> group_ids;
  std::vector<std::map<uint64_t, int>> counts(texts.size());
  for (size_t t = 0; t < texts.size(); ++t) {
    const auto words = words_of(texts[t]->text);
    const uint32_t group = group_ids.emplace(texts[t]->group, uint32_t(group_ids.size())).first->second;
    for (size_t i = 0; i < words.size(); ++i) {
      std::string gram;
      for (size_t n = 0; n < 3 && i + n < words.size(); ++n) {
        gram += (n ? " " : "") + words[i + n];
        const uint64_t key = hash64(gram);
        auto& g = grams[key];
        if (g.text.empty()) g.text = gram;
        if (counts[t][key]++ == 0) ++g.documents;
        if (g.last_group != group) ++g.groups, g.last_group = group;
      }
    }
  }
  Features f;
  std::vector<std::pair<std::string, Gram*>> kept;  // columns in the order of the grams' text: independent of hashing order
  for (auto& [key, g] : grams)
    if (g.groups >= 2 && g.documents < int64_t(texts.size())) kept.emplace_back(g.text, &g);
  std::sort(kept.begin(), kept.end());
  for (auto& [text, g] : kept) {
    g->column = uint32_t(f.names.size());
    f.names.push_back(text);
  }
  for (size_t t = 0; t < texts.size(); ++t) {
    auto& row = f.rows.emplace_back();
    double squares = 0;
    for (const auto& [key, count] : counts[t]) {
      const auto& g = grams.at(key);
      if (g.column == UINT32_MAX) continue;
      const double v = (1 + std::log(double(count))) * std::log(double(texts.size() + 1) / double(g.documents));
      row.emplace_back(g.column, v);
      squares += v * v;
    }
    for (auto& [i, v] : row) v *= 5 / std::sqrt(std::max(squares, 1e-12));
    std::sort(row.begin(), row.end());
  }
  return f;
}

ClassifierAudit cross_validate(const Features& f, const std::vector<bool>& y, const std::vector<uint32_t>& group, uint32_t groups, const SeparabilityOptions& o) {
  std::vector<uint32_t> order(groups);
  for (uint32_t g = 0; g < groups; ++g) order[g] = g;
  Stream stream(o.bootstrap.seed, "separability folds");
  stream.shuffle(order);
  std::vector<int> fold(groups);
  for (uint32_t i = 0; i < groups; ++i) fold[order[i]] = int(i % uint32_t(o.folds));
  std::vector<double> score(y.size());
  std::vector<double> all;
  parallel_for(size_t(o.folds) + 1, [&](size_t k) {  // the last job fits all the data, for the weights
    std::vector<uint32_t> train, test;
    for (uint32_t r = 0; r < y.size(); ++r) (fold[group[r]] == int(k) ? test : train).push_back(r);
    const auto w = LogisticRegression(f.rows, y, train, f.names.size(), o.l2).fit();
    if (k == size_t(o.folds)) all = w;
    for (const uint32_t r : test) score[r] = dot(f.rows[r], w);
  });
  // Scores of different folds come from different fits: AUC within each fold, averaged by its number of texts.
  const auto pooled = [&](const std::vector<int32_t>& times) {
    double sum = 0, weight = 0;
    for (int k = 0; k < o.folds; ++k) {
      std::vector<double> s;
      std::vector<bool> p;
      for (size_t r = 0; r < y.size(); ++r)
        for (int32_t c = fold[group[r]] == k ? times[group[r]] : 0; c > 0; --c) s.push_back(score[r]), p.push_back(y[r]);
      sum += auc(s, p) * double(s.size());
      weight += double(s.size());
    }
    return weight > 0 ? sum / weight : 0.5;
  };
  ClassifierAudit out;
  out.held_out = score;
  out.auc.value = pooled(std::vector<int32_t>(groups, 1));
  std::vector<double> draws(size_t(std::max(o.bootstrap.resamples, 1)));
  parallel_for(draws.size(), [&](size_t b) {
    Stream s(o.bootstrap.seed, mix64(hash64("separability bootstrap"), b));
    std::vector<int32_t> times(groups, 0);
    for (uint32_t i = 0; i < groups; ++i) ++times[s.below(groups)];
    draws[b] = pooled(times);
  }, 0, 16);
  out.auc.interval = {quantile(draws, (1 - o.bootstrap.level) / 2), quantile(draws, (1 + o.bootstrap.level) / 2)};
  std::vector<uint32_t> by_weight(f.names.size());
  for (uint32_t i = 0; i < by_weight.size(); ++i) by_weight[i] = i;
  std::stable_sort(by_weight.begin(), by_weight.end(), [&](uint32_t a, uint32_t b) { return all[a] > all[b]; });
  for (int i = 0; i < o.top && size_t(i) < by_weight.size(); ++i) {
    const uint32_t high = by_weight[size_t(i)], low = by_weight[by_weight.size() - 1 - size_t(i)];
    if (all[high] > 1e-9) out.for_chosen.push_back({f.names[high], all[high]});
    if (all[low] < -1e-9) out.for_rejected.push_back({f.names[low], all[low]});
  }
  return out;
}

}  // namespace

double auc(std::span<const double> scores, const std::vector<bool>& positive) {
  std::vector<size_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double ranks = 0, positives = 0;
  for (size_t i = 0; i < order.size();) {
    size_t j = i;
    while (j < order.size() && scores[order[j]] == scores[order[i]]) ++j;
    for (size_t k = i; k < j; ++k)
      if (positive[order[k]]) ranks += (double(i) + double(j) + 1) / 2, ++positives;  // mean rank of the tie, from 1
    i = j;
  }
  const double negatives = double(scores.size()) - positives;
  if (positives == 0 || negatives == 0) return 0.5;
  return (ranks - positives * (positives + 1) / 2) / (positives * negatives);
}

const std::vector<std::string>& format_feature_names() {
  static const std::vector<std::string> names = {"characters", "words", "lines", "characters per line", "sentences", "words per sentence",
      "digits", "numbers", "equals signs", "operators", "commas", "colons", "brackets", "LaTeX commands", "boxed answers", "bold marks",
      "bullet or numbered lines", "capital letters", "blank lines", "ends in a full stop", "ends in a digit", "longest word", "share of digits",
      "mean word length"};
  return names;
}

std::vector<double> format_features(const std::string& text) {
  double words = 0, lines = 1, sentences = 0, digits = 0, numbers = 0, equals = 0, operators = 0, commas = 0, colons = 0, brackets = 0, latex = 0,
         bold = 0, bullets = 0, capitals = 0, blank = 0, longest = 0, word = 0, letters_in_words = 0;
  const auto finish_word = [&] {
    if (word > 0) ++words, letters_in_words += word, longest = std::max(longest, word);
    word = 0;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]), next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : ' ');
    const bool line_start = i == 0 || text[i - 1] == '\n';
    if (std::isspace(c)) finish_word();
    else ++word;
    if (c == '\n') ++lines, blank += next == '\n';
    if ((c == '.' || c == '!' || c == '?') && std::isspace(next)) ++sentences;
    if (std::isdigit(c)) ++digits, numbers += !std::isdigit(next);
    equals += c == '=';
    operators += c == '+' || c == '-' || c == '*' || c == '/';
    commas += c == ',';
    colons += c == ':';
    brackets += c == '(' || c == '[' || c == '{';
    latex += c == '\\' && std::isalpha(next);
    bold += c == '*' && next == '*';
    bullets += line_start && (c == '-' || c == '*' || (std::isdigit(c) && (next == '.' || next == ')')));
    capitals += std::isupper(c) != 0;
  }
  finish_word();
  double boxed = 0;
  for (size_t at = text.find("\\boxed"); at != std::string::npos; at = text.find("\\boxed", at + 1)) ++boxed;
  size_t last = text.find_last_not_of(" \n\t\r");
  const auto final_character = static_cast<unsigned char>(last == std::string::npos ? ' ' : text[last]);
  const double length = double(text.size());
  return {length, words, lines, length / lines, sentences, words / std::max(sentences, 1.0), digits, numbers, equals, operators, commas, colons,
          brackets, latex, boxed, bold, bullets, capitals, blank, double(final_character == '.'), double(std::isdigit(final_character) != 0), longest,
          digits / std::max(length, 1.0), letters_in_words / std::max(words, 1.0)};
}

Separability separability(std::span<const LabelledText> texts, const SeparabilityOptions& o) {
  Separability out;
  std::unordered_map<std::string, uint32_t> ids;
  for (const auto& t : texts) {
    ids.emplace(t.group, uint32_t(ids.size()));
    ++(t.chosen ? out.chosen : out.rejected);
  }
  out.format.auc = out.words.auc = {0.5, {0, 1}};
  if (int(ids.size()) < 2 * o.folds || out.chosen == 0 || out.rejected == 0) return out;
  // Too many texts: keep every so many problems, by hash, so that the choice does not follow the file's order.
  const double keep = std::min(1.0, double(o.most_texts) / double(texts.size()));
  std::vector<const LabelledText*> used;
  std::vector<bool> y;
  std::vector<uint32_t> group;
  std::unordered_map<std::string, uint32_t> kept;
  for (const auto& t : texts) {
    if (keep < 1 && double(hash64(t.group, o.bootstrap.seed) >> 11) * 0x1p-53 >= keep) continue;
    used.push_back(&t);
    y.push_back(t.chosen);
    group.push_back(kept.emplace(t.group, uint32_t(kept.size())).first->second);
  }
  if (int(kept.size()) < 2 * o.folds) return out;
  out.format = cross_validate(format_matrix(used), y, group, uint32_t(kept.size()), o);
  out.words = cross_validate(word_matrix(used), y, group, uint32_t(kept.size()), o);
  return out;
}

// Held-out scores of every text; none where there are too few.
static Separability held_out(std::span<const LabelledText> texts, const SeparabilityOptions& options) {
  SeparabilityOptions all = options;
  all.most_texts = int64_t(texts.size()), all.top = 0, all.bootstrap.resamples = 1;
  return separability(texts, all);
}

std::vector<double> pair_bias(std::span<const LabelledText> texts, const SeparabilityOptions& options) {
  FOIL_CHECK(texts.size() % 2 == 0);
  const Separability found = held_out(texts, options);
  std::vector<double> out(texts.size() / 2, 0.5);
  if (found.format.held_out.size() != texts.size()) return out;
  const auto sure = [&](const ClassifierAudit& c, size_t i) { return 1 / (1 + std::exp(c.held_out[2 * i + 1] - c.held_out[2 * i])); };
  for (size_t i = 0; i < out.size(); ++i) out[i] = std::max(sure(found.format, i), sure(found.words, i));
  return out;
}

void score_shallow(std::span<const Sample> right, std::span<Sample> candidates, const SeparabilityOptions& options) {
  std::vector<LabelledText> texts;
  for (const Sample& s : right)
    if (s.correct.value_or(false) && s.finish_reason == Finish::kStop) texts.push_back({s.text, s.problem_id, true});
  std::vector<Sample*> wrong;
  for (Sample& s : candidates)
    if (!s.correct.value_or(true) && s.finish_reason == Finish::kStop) wrong.push_back(&s), texts.push_back({s.text, s.problem_id, false});
  const Separability found = held_out(texts, options);
  if (found.format.held_out.size() != texts.size())
    throw Error(fmt::format("{} right and {} wrong answers are too few for a classifier of style", texts.size() - wrong.size(), wrong.size()), "max_shallow",
                fmt::format("leave the filter max_shallow out, or use right and wrong answers of at least {} problems", 2 * options.folds));
  const size_t first = texts.size() - wrong.size();
  const double odds = std::log(double(first) / double(wrong.size()));  // of "right" before anything is read
  for (size_t i = 0; i < wrong.size(); ++i)
    wrong[i]->scores["shallow"] = 1 / (1 + std::exp(std::min(found.format.held_out[first + i], found.words.held_out[first + i]) - odds));
}

namespace {

nlohmann::json weights_json(const std::vector<Weight>& weights) {
  nlohmann::json j = nlohmann::json::array();
  for (const auto& w : weights) j.push_back({{"feature", w.feature}, {"weight", w.weight}});
  return j;
}

nlohmann::json classifier_json(const ClassifierAudit& c) {
  return {{"auc", c.auc}, {"for_chosen", weights_json(c.for_chosen)}, {"for_rejected", weights_json(c.for_rejected)}};
}

std::vector<Weight> weights(const nlohmann::json& j) {
  std::vector<Weight> out;
  for (const auto& w : j) out.push_back({w.at("feature"), w.at("weight")});
  return out;
}

}  // namespace

void to_json(nlohmann::json& j, const Separability& x) {
  j = {{"chosen", x.chosen}, {"rejected", x.rejected}, {"format", classifier_json(x.format)}, {"words", classifier_json(x.words)}};
}

void from_json(const nlohmann::json& j, Separability& x) {
  x.chosen = j.at("chosen");
  x.rejected = j.at("rejected");
  for (auto [name, audit] : {std::pair{"format", &x.format}, std::pair{"words", &x.words}}) {
    audit->auc = j.at(name).at("auc").get<Figure>();
    audit->for_chosen = weights(j.at(name).at("for_chosen"));
    audit->for_rejected = weights(j.at(name).at("for_rejected"));
  }
}

}  // namespace foil::eval
