// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/pairs_table.hpp"
#include "loader/core/models.hpp"
#include "loader/core/names.hpp"

#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libsmartcols.h>
#include <memory>

namespace hitless::cli {
namespace {

struct Unref {
    void operator()(libscols_table *table) const { scols_unref_table(table); }
};
using Table = std::unique_ptr<libscols_table, Unref>;

void add_line(libscols_table *table, const std::vector<std::string> &cells) {
    libscols_line *line = scols_table_new_line(table, nullptr);
    if (!line) throw std::bad_alloc();
    for (size_t i = 0; i < cells.size(); i++)
        if (scols_line_set_data(line, i, cells[i].c_str())) throw std::bad_alloc();
}

} // namespace

std::string nic_cell(const NicStatus &nic) {
    if (!nic.present) return "none";
    if (!nic.up) return nic.ifname + " (down)";
    return nic.carrier ? nic.ifname : nic.ifname + " (no carrier)";
}

std::string pairs_table(const std::vector<PairStatus> &pairs) {
    Table table(scols_new_table());
    for (const char *heading :
         {"PAIR", "ACTIVE", "HEALTH", "PRIMARY", "STANDBY", "MODEL", "FLIPS", "VETO"})
        if (!table || !scols_table_new_column(table.get(), heading, 0, 0)) throw std::bad_alloc();
    for (const PairStatus &pair : pairs)
        add_line(table.get(),
                 {pair.name, std::string(path_name(pair.primary_active)),
                  pair.healthy() ? "healthy" : "degraded", nic_cell(pair.primary),
                  nic_cell(pair.standby), std::string(model_name(pair.model)),
                  fmt::format("{}", pair.flips),
                  pair.veto ? fmt::format("{}", fmt::join(reason_names(pair.veto), ",")) : "none"});
    char *text = nullptr;
    if (scols_print_table_to_string(table.get(), &text)) throw std::bad_alloc();
    std::unique_ptr<char, decltype(&free)> owned(text, free);
    std::string out = text;
    if (!out.ends_with('\n')) out += '\n'; // which the library leaves out
    return out;
}

} // namespace hitless::cli
