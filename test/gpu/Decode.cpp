//===- Decode.cpp - Instructions by their names -------------------------------------------===//
//
// A name is an opcode and modifiers, in any order that PTX allows. Every modifier must be one that
// the instruction has; what is not known here is not guessed.
//
//===----------------------------------------------------------------------===//
#include "test/gpu/Parse.h"

#include <algorithm>

namespace tessera::ptx {
namespace {

template <typename T> struct Named {
  const char *name;
  T value;
};
constexpr Named<Type> kTypes[] = {
    {"pred", Type::Pred},     {"b8", Type::B8},        {"b16", Type::B16},
    {"b32", Type::B32},       {"b64", Type::B64},      {"u8", Type::U8},
    {"u16", Type::U16},       {"u32", Type::U32},      {"u64", Type::U64},
    {"s8", Type::S8},         {"s16", Type::S16},      {"s32", Type::S32},
    {"s64", Type::S64},       {"u16x2", Type::U16x2},  {"s16x2", Type::S16x2},
    {"f16", Type::F16},       {"f16x2", Type::F16x2},  {"bf16", Type::BF16},
    {"bf16x2", Type::BF16x2}, {"tf32", Type::TF32},    {"f32", Type::F32},
    {"f64", Type::F64},       {"e4m3", Type::E4M3},    {"e5m2", Type::E5M2},
    {"e4m3x2", Type::E4M3x2}, {"e5m2x2", Type::E5M2x2}};
constexpr Named<Compare> kCompares[] = {
    {"eq", Compare::Eq},   {"ne", Compare::Ne},   {"lt", Compare::Lt},   {"le", Compare::Le},
    {"gt", Compare::Gt},   {"ge", Compare::Ge},   {"lo", Compare::Lt},   {"ls", Compare::Le},
    {"hi", Compare::Gt},   {"hs", Compare::Ge},   {"equ", Compare::Equ}, {"neu", Compare::Neu},
    {"ltu", Compare::Ltu}, {"leu", Compare::Leu}, {"gtu", Compare::Gtu}, {"geu", Compare::Geu},
    {"num", Compare::Num}, {"nan", Compare::Nan}};
constexpr Named<Round> kRounds[] = {
    {"rn", Round::Nearest}, {"rz", Round::Zero},     {"rm", Round::Down},
    {"rp", Round::Up},      {"rni", Round::Nearest}, {"rzi", Round::Zero},
    {"rmi", Round::Down},   {"rpi", Round::Up},      {"rna", Round::Away}};
constexpr Named<Space> kSpaces[] = {{"global", Space::Global}, {"shared", Space::Shared},
                                    {"local", Space::Local},   {"param", Space::Param},
                                    {"const", Space::Const},   {"shared::cta", Space::Shared}};
constexpr Named<Mode> kModes[] = {{"lo", Mode::Lo},
                                  {"hi", Mode::Hi},
                                  {"wide", Mode::Wide},
                                  {"up", Mode::Up},
                                  {"down", Mode::Down},
                                  {"bfly", Mode::Bfly},
                                  {"idx", Mode::Idx},
                                  {"all", Mode::All},
                                  {"any", Mode::Any},
                                  {"uni", Mode::Uni},
                                  {"ballot", Mode::Ballot},
                                  {"add", Mode::Add},
                                  {"min", Mode::Min},
                                  {"max", Mode::Max},
                                  {"and", Mode::And},
                                  {"or", Mode::Or},
                                  {"xor", Mode::Xor},
                                  {"exch", Mode::Exch},
                                  {"cas", Mode::Cas},
                                  {"inc", Mode::Inc},
                                  {"dec", Mode::Dec},
                                  {"finite", Mode::Finite},
                                  {"infinite", Mode::Infinite},
                                  {"number", Mode::Number},
                                  {"notanumber", Mode::NotANumber},
                                  {"normal", Mode::Normal},
                                  {"subnormal", Mode::Subnormal},
                                  {"l", Mode::Left},
                                  {"r", Mode::Right}};

template <typename T, size_t N>
std::optional<T> find(const Named<T> (&table)[N], std::string_view name) {
  for (const Named<T> &row : table)
    if (name == row.name)
      return row.value;
  return std::nullopt;
}

// What an instruction takes, in letters:
//   i integer types    b bit types (and pred)    f f32 f64    h f16 bf16 and pairs    * any type
//   R rounding, F ftz, S sat, N NaN, A approx/full, M mode, C compare, c combination, W space,
//   V vectors, O memory order, scope and caching, which change nothing here
struct Row {
  const char *name;
  Op op;
  const char *takes;
  uint8_t types;       ///< how many
  uint8_t least, most; ///< operands
};
constexpr Row kRows[] = {{"add", Op::Add, "ifhRFS", 1, 3, 3},
                         {"sub", Op::Sub, "ifhRFS", 1, 3, 3},
                         {"mul", Op::Mul, "ifhRFSM", 1, 3, 3},
                         {"mad", Op::Mad, "ifRFSM", 1, 4, 4},
                         {"fma", Op::Fma, "fhRFSr", 1, 4, 4},
                         {"div", Op::Div, "ifRFA", 1, 3, 3},
                         {"rem", Op::Rem, "i", 1, 3, 3},
                         {"abs", Op::Abs, "ifhF", 1, 2, 2},
                         {"neg", Op::Neg, "ifhF", 1, 2, 2},
                         {"min", Op::Min, "ifhFN", 1, 3, 3},
                         {"max", Op::Max, "ifhFN", 1, 3, 3},
                         {"rcp", Op::Rcp, "fRFA", 1, 2, 2},
                         {"sqrt", Op::Sqrt, "fRFA", 1, 2, 2},
                         {"rsqrt", Op::Rsqrt, "fFA", 1, 2, 2},
                         {"ex2", Op::Ex2, "fhFA", 1, 2, 2},
                         {"lg2", Op::Lg2, "fFA", 1, 2, 2},
                         {"sin", Op::Sin, "fFA", 1, 2, 2},
                         {"cos", Op::Cos, "fFA", 1, 2, 2},
                         {"tanh", Op::Tanh, "fhA", 1, 2, 2},
                         {"testp", Op::Testp, "fM", 1, 2, 2},
                         {"copysign", Op::Copysign, "f", 1, 3, 3},
                         {"and", Op::And, "b", 1, 3, 3},
                         {"or", Op::Or, "b", 1, 3, 3},
                         {"xor", Op::Xor, "b", 1, 3, 3},
                         {"not", Op::Not, "b", 1, 2, 2},
                         {"cnot", Op::Cnot, "b", 1, 2, 2},
                         {"lop3", Op::Lop3, "b", 1, 5, 5},
                         {"shl", Op::Shl, "b", 1, 3, 3},
                         {"shr", Op::Shr, "ib", 1, 3, 3},
                         {"shf", Op::Shf, "bMw", 1, 4, 4},
                         {"bfe", Op::Bfe, "i", 1, 4, 4},
                         {"bfi", Op::Bfi, "b", 1, 5, 5},
                         {"bfind", Op::Bfind, "ia", 1, 2, 2},
                         {"brev", Op::Brev, "b", 1, 2, 2},
                         {"clz", Op::Clz, "b", 1, 2, 2},
                         {"popc", Op::Popc, "b", 1, 2, 2},
                         {"prmt", Op::Prmt, "b", 1, 4, 4},
                         {"dp4a", Op::Dp4a, "i", 2, 4, 4},
                         {"setp", Op::Setp, "ibfhCcF", 1, 3, 4},
                         {"selp", Op::Selp, "ibf", 1, 4, 4},
                         {"mov", Op::Mov, "ibf", 1, 2, 2},
                         {"cvt", Op::Cvt, "*RFSr", 2, 2, 3},
                         {"cvta", Op::Cvta, "iWt", 1, 2, 2},
                         {"ld", Op::Ld, "*WVO", 1, 2, 2},
                         {"st", Op::St, "*WVO", 1, 2, 2},
                         {"atom", Op::Atom, "ibfhWMON", 1, 3, 4},
                         {"red", Op::Red, "ibfhWMON", 1, 2, 2},
                         {"cp", Op::CpAsync, "", 0, 0, 4},
                         {"bra", Op::Bra, "u", 0, 1, 1},
                         {"ret", Op::Exit, "u", 0, 0, 0},
                         {"exit", Op::Exit, "", 0, 0, 0},
                         {"trap", Op::Trap, "", 0, 0, 0},
                         {"bar", Op::Barrier, "", 0, 1, 2},
                         {"barrier", Op::Barrier, "", 0, 1, 2},
                         {"membar", Op::Nothing, "O", 0, 0, 0},
                         {"fence", Op::Nothing, "O", 0, 0, 0},
                         {"setmaxnreg", Op::Nothing, "", 0, 1, 1},
                         {"prefetch", Op::Nothing, "WO", 0, 1, 1},
                         {"shfl", Op::Shfl, "bMs", 1, 5, 5},
                         {"vote", Op::Vote, "bMs", 1, 3, 3},
                         {"redux", Op::Redux, "ibMs", 1, 3, 3},
                         {"ldmatrix", Op::LdMatrix, "", 0, 2, 2},
                         {"mma", Op::Mma, "", 0, 4, 4},
                         {"wgmma", Op::Wgmma, "", 0, 0, 8},
                         {"mbarrier", Op::BarrierInit, "", 0, 2, 3}};

constexpr const char *kOrders[] = {"volatile", "relaxed", "acquire", "release", "acq_rel", "weak",
                                   "sc",       "cta",     "gpu",     "sys",     "gl",      "ca",
                                   "cg",       "cs",      "lu",      "cv",      "wb",      "wt",
                                   "nc",       "noftz",   "L1",      "L2",      "cluster"};

std::vector<std::string_view> splitName(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool allows(const Row &row, Type type) {
  const std::string_view takes = row.takes;
  const auto has = [&](char c) { return takes.find(c) != takes.npos; };
  if (has('*'))
    return type != Type::None;
  switch (type) {
  case Type::Pred:
  case Type::B16:
  case Type::B32:
  case Type::B64: return has('b') && !(type == Type::Pred && row.op == Op::Shl);
  case Type::U16:
  case Type::U32:
  case Type::U64:
  case Type::S16:
  case Type::S32:
  case Type::S64: return has('i');
  case Type::U16x2:
  case Type::S16x2: return row.op == Op::Add || row.op == Op::Min || row.op == Op::Max;
  case Type::F32:
  case Type::F64: return has('f');
  case Type::F16:
  case Type::F16x2:
  case Type::BF16:
  case Type::BF16x2: return has('h');
  default: return false;
  }
}

bool modifier(const Row &row, std::string_view part, Instruction &x, std::vector<Type> &types) {
  const std::string_view takes = row.takes;
  const auto has = [&](char c) { return takes.find(c) != takes.npos; };
  if (std::optional<Type> type = typeOf(part)) {
    types.push_back(*type);
    return allows(row, *type);
  }
  if (has('R'))
    if (std::optional<Round> round = find(kRounds, part)) {
      x.round = *round;
      x.toInteger = part.size() == 3 && part[2] == 'i';
      return true;
    }
  if (has('C'))
    if (std::optional<Compare> compare = find(kCompares, part)) {
      x.compare = *compare;
      return true;
    }
  if (has('W'))
    if (std::optional<Space> space = find(kSpaces, part)) {
      x.space = *space;
      return true;
    }
  if (has('M') || has('c'))
    if (std::optional<Mode> mode = find(kModes, part)) {
      (has('M') ? x.mode : x.combine) = *mode;
      return true;
    }
  if (has('V') && (part == "v2" || part == "v4")) {
    x.vector = uint8_t(part[1] - '0');
    return true;
  }
  if (part == "to")
    return x.toSpace = has('t');
  if (part == "ftz")
    return x.ftz = has('F');
  if (part == "sat" || part == "satfinite")
    return x.sat = has('S');
  if (part == "relu")
    return x.relu = has('r');
  if (part == "NaN")
    return x.nan = has('N');
  if (part == "approx" || part == "full")
    return x.approx = has('A');
  if (part == "wrap" || part == "clamp") {
    x.clamp = part == "clamp";
    return has('w');
  }
  if (part == "shiftamt")
    return x.wrap = has('a');
  if (part == "sync")
    return has('s');
  if (part == "uni")
    return has('u');
  x.isStrong |= part == "relaxed" || part == "acquire";
  x.isConstant |= part == "nc";
  return has('O') && std::find(std::begin(kOrders), std::end(kOrders), part) != std::end(kOrders);
}

/// Section 9.7.15: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16, and what goes with it.
bool decodeGroup(const std::vector<std::string_view> &parts, Instruction &x) {
  if (parts.size() < 4 || parts[2] != "sync" || parts[3] != "aligned")
    return false;
  if (parts[1] != "mma_async") {
    x.op = parts[1] == "fence"          ? Op::WgmmaFence
           : parts[1] == "commit_group" ? Op::WgmmaCommit
                                        : Op::WgmmaWait;
    return parts.size() == 4 && (x.op != Op::WgmmaWait || parts[1] == "wait_group");
  }
  if (parts.size() != 8 || parts[4].substr(0, 4) != "m64n")
    return false;
  char *end = nullptr;
  const std::string shape(parts[4].substr(4));
  x.n = uint16_t(std::strtoul(shape.c_str(), &end, 10));
  x.k = *end == 'k' ? uint16_t(std::atoi(end + 1)) : 0;
  const std::optional<Type> types[] = {typeOf(parts[5]), typeOf(parts[6]), typeOf(parts[7])};
  if (!types[0] || !types[1] || !types[2] || x.n % 8 || !x.n || x.n > 256)
    return false;
  x.type = *types[0];
  x.from = *types[1];
  x.typeB = *types[2];
  const auto isOne = [](Type type, Type a, Type b) { return type == a || type == b; };
  if (isOne(x.from, Type::S8, Type::U8))
    return isOne(x.typeB, Type::S8, Type::U8) && x.type == Type::S32 && x.k == 32 &&
           (x.n % 16 == 0 || x.n == 8 || x.n == 24);
  if (isOne(x.from, Type::E4M3, Type::E5M2))
    return isOne(x.typeB, Type::E4M3, Type::E5M2) && x.type == Type::F32 && x.k == 32;
  if (x.from != x.typeB || x.type != Type::F32)
    return false;
  return isOne(x.from, Type::F16, Type::BF16) ? x.k == 16 : x.from == Type::TF32 && x.k == 8;
}

/// Instructions whose modifiers say what they are: section 9.7.9.25 (cp.async), 9.7.13
/// (bar), 9.7.14 (ldmatrix, mma).
bool decodeWhole(std::string_view name, Instruction &x) {
  const std::vector<std::string_view> parts = splitName(name);
  const auto has = [&](std::string_view part) {
    return std::find(parts.begin(), parts.end(), part) != parts.end();
  };
  const auto only = [&](std::initializer_list<std::string_view> known) {
    return std::all_of(parts.begin() + 1, parts.end(), [&](std::string_view part) {
      return std::find(known.begin(), known.end(), part) != known.end();
    });
  };
  switch (x.op) {
  case Op::CpAsync:
    if (!has("async"))
      return false;
    if (has("bulk")) {
      x.op = Op::BulkTensor;
      x.n = parts.size() > 4 && parts[4].size() == 2 && parts[4][1] == 'd' ? parts[4][0] - '0' : 0;
      return has("tensor") && x.n >= 1 && x.n <= 5 &&
             (has("shared::cluster") || has("shared::cta")) && has("global") &&
             has("mbarrier::complete_tx::bytes") &&
             only({"async", "bulk", "tensor", parts[4], "shared::cluster", "shared::cta", "global",
                   "tile", "mbarrier::complete_tx::bytes"});
    }
    if (has("commit_group"))
      x.op = Op::CpAsyncCommit;
    else if (has("wait_group"))
      x.op = Op::CpAsyncWaitGroup;
    else if (has("wait_all"))
      x.op = Op::CpAsyncWaitAll;
    else if (has("cg"))
      x.n = 16;
    if (x.op == Op::CpAsync)
      return (has("ca") || has("cg")) && (has("shared") || has("shared::cta")) && has("global") &&
             only({"async", "ca", "cg", "shared", "shared::cta", "global", "L2::64B", "L2::128B",
                   "L2::256B"});
    return parts.size() == 3;
  case Op::Barrier:
    if (name == "bar.warp.sync") {
      x.op = Op::WarpBarrier;
      return true;
    }
    x.aligned = parts[0] == "bar" || has("aligned");
    return has("sync") && only({"sync", "cta", "aligned"});
  case Op::LdMatrix:
    x.vector = has("x1") ? 1 : has("x2") ? 2 : has("x4") ? 4 : 0;
    x.trans = has("trans");
    x.space = has("shared") || has("shared::cta") ? Space::Shared : Space::Generic;
    return x.vector && has("m8n8") && has("b16") && has("sync") && has("aligned") &&
           only({"sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta",
                 "b16"});
  case Op::Mma: {
    if (parts.size() < 10 || !has("row") || !has("col") || !has("sync") || !has("aligned"))
      return false;
    for (std::string_view part : parts)
      if (part.substr(0, 5) == "m16n8")
        x.k = uint16_t(std::atoi(std::string(part.substr(6)).c_str()));
    std::vector<Type> types;
    for (std::string_view part : parts)
      if (std::optional<Type> type = typeOf(part))
        types.push_back(*type);
    if (types.size() != 4 || types[0] != types[3])
      return false;
    x.type = types[0];
    x.from = types[1];
    x.typeB = types[2];
    x.sat = has("satfinite");
    const bool isWide = x.from == Type::F16 || x.from == Type::BF16;
    const bool isByte = x.from == Type::S8 || x.from == Type::U8;
    const bool isByteFloat = x.from == Type::E4M3 || x.from == Type::E5M2;
    const unsigned whole = isWide ? 16 : x.from == Type::TF32 ? 8 : 32;
    if (!isWide && !isByte && !isByteFloat && x.from != Type::TF32)
      return false;
    if (isByte        ? x.type != Type::S32 || (x.typeB != Type::S8 && x.typeB != Type::U8)
        : isByteFloat ? x.type != Type::F32 || (x.typeB != Type::E4M3 && x.typeB != Type::E5M2)
                      : x.typeB != x.from ||
                            (x.type != Type::F32 && !(x.type == Type::F16 && x.from == Type::F16)))
      return false;
    return x.k == whole || (x.k == whole / 2 && !isByteFloat);
  }
  case Op::Wgmma: return decodeGroup(parts, x);
  case Op::BarrierInit:
    x.op = has("init")        ? Op::BarrierInit
           : has("try_wait")  ? Op::BarrierWait
           : !has("arrive")   ? Op::BarrierExpect
           : has("expect_tx") ? Op::BarrierArriveExpect
                              : Op::BarrierArrive;
    return (x.op != Op::BarrierWait || has("parity")) &&
           (x.op != Op::BarrierExpect || has("expect_tx")) && has("b64") &&
           (has("shared") || has("shared::cta")) &&
           only({"init", "try_wait", "parity", "arrive", "expect_tx", "b64", "shared",
                 "shared::cta", "release", "acquire", "relaxed", "cta"});
  default: return false;
  }
}

} // namespace

std::optional<Type> typeOf(std::string_view name) { return find(kTypes, name); }

bool decode(std::string_view name, unsigned operands, Instruction &x) {
  std::vector<std::string_view> parts = splitName(name);
  const auto row = std::find_if(std::begin(kRows), std::end(kRows),
                                [&](const Row &r) { return parts[0] == r.name; });
  if (row == std::end(kRows) || operands < row->least || operands > row->most)
    return false;
  x.op = row->op;
  if (x.op == Op::CpAsync || x.op == Op::Barrier || x.op == Op::LdMatrix || x.op == Op::Mma ||
      x.op == Op::Wgmma || x.op == Op::BarrierInit)
    return decodeWhole(name, x);
  if (name == "fence.mbarrier_init.release.cluster") {
    x.op = Op::BarrierFence;
    return true;
  }
  if (name == "fence.proxy.async" || name == "fence.proxy.async.shared::cta") {
    x.op = Op::ProxyFence;
    return true;
  }
  if (parts[0] == "setmaxnreg") {
    x.op = Op::GroupRegisters;
    x.mode = parts.size() > 1 && parts[1] == "inc" ? Mode::Inc : Mode::Dec;
    return name == "setmaxnreg.inc.sync.aligned.u32" || name == "setmaxnreg.dec.sync.aligned.u32";
  }
  if (x.op == Op::Nothing && parts[0] == "prefetch")
    return true;
  std::vector<Type> types;
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t colons = x.op == Op::Ld || x.op == Op::St ? parts[i].find("::") : parts[i].npos;
    const bool isHint = colons != parts[i].npos && parts[i].substr(0, 6) != "shared";
    if (!modifier(*row, isHint ? parts[i].substr(0, colons) : parts[i], x, types))
      return false;
  }
  if (types.size() != row->types)
    return false;
  if (!types.empty())
    x.type = types[0];
  x.from = types.size() > 1 ? types[1] : x.type;
  const bool isInteger = !types.empty() && !isFloat(x.type);
  // Section 9.7.9.22: only to tf32.
  if (x.round == Round::Away && (x.op != Op::Cvt || x.type != Type::TF32 || x.from != Type::F32))
    return false;
  switch (x.op) {
  case Op::Mul:
  case Op::Mad: {
    const bool isSplit = x.mode == Mode::Lo || x.mode == Mode::Hi || x.mode == Mode::Wide;
    if (x.op == Op::Mad && !isInteger)
      x.op = Op::Fma;
    return isInteger ? isSplit && !(x.mode == Mode::Wide && getBytes(x.type) == 8)
                     : x.mode == Mode::None;
  }
  case Op::Shf: return x.type == Type::B32 && (x.mode == Mode::Left || x.mode == Mode::Right);
  case Op::Shfl: return x.type == Type::B32 && x.mode >= Mode::Up && x.mode <= Mode::Idx;
  case Op::Vote:
    return x.mode >= Mode::All && x.mode <= Mode::Ballot &&
           (x.type == Type::B32) == (x.mode == Mode::Ballot);
  case Op::Redux: return getBytes(x.type) == 4 && x.mode >= Mode::Add && x.mode <= Mode::Xor;
  case Op::Atom: return x.mode >= Mode::Add && (operands == 4) == (x.mode == Mode::Cas);
  case Op::Red: return x.mode >= Mode::Add && x.mode <= Mode::Dec && x.mode != Mode::Cas;
  case Op::Setp: return (operands == 4) == (x.combine != Mode::None);
  case Op::Testp: return x.mode >= Mode::Finite && x.mode <= Mode::Subnormal;
  default: return true;
  }
}

std::string checkCounts(const Instruction &x) {
  unsigned expected[4] = {1, 1, 1, 1};
  switch (x.op) {
  case Op::Ld:
  case Op::LdMatrix: expected[0] = x.vector; break;
  case Op::St: expected[1] = x.vector; break;
  case Op::Mov:
    if (x.counts[0] > 1 || x.counts[1] > 1) {
      expected[0] = x.counts[0];
      expected[1] = x.counts[1];
      const unsigned most = std::max(x.counts[0], x.counts[1]);
      if ((most != 2 && most != 4) || std::min(x.counts[0], x.counts[1]) != 1 ||
          getBytes(x.type) < most)
        return "a move of " + std::to_string(x.counts[1]) + " registers to " +
               std::to_string(x.counts[0]);
    }
    break;
  case Op::Mma: {
    const unsigned perRegister = x.from == Type::TF32 ? 1 : 4 / getBytes(x.from);
    expected[0] = expected[3] = x.type == Type::F16 ? 2 : 4;
    expected[1] = 16u * x.k / 32 / perRegister;
    expected[2] = 8u * x.k / 32 / perRegister;
    break;
  }
  case Op::BulkTensor: expected[1] = 1u + x.n; break;
  case Op::Wgmma: {
    // A lies in registers or behind a descriptor. Only 16-bit factors may lie across the depth.
    const bool inRegisters = x.counts[1] > 1;
    const unsigned flags = getBytes(x.from) == 2 ? (inRegisters ? 3 : 4) : isFloat(x.from) ? 2 : 0;
    expected[0] = x.n / 2;
    expected[1] = inRegisters ? 4 : 1;
    if (x.operands != expected[0] + expected[1] + 2 + flags)
      return "wgmma of these types takes " + std::to_string(4 + flags) + " operands";
    break;
  }
  default: break;
  }
  for (unsigned i = 0; i < 4; ++i)
    if (x.counts[i] != expected[i])
      return "operand " + std::to_string(i) + " has " + std::to_string(x.counts[i]) +
             " registers, expected " + std::to_string(expected[i]);
  return "";
}

} // namespace tessera::ptx
