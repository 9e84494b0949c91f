// SPDX-License-Identifier: BSD-2-Clause
#include "cli/output/table.hpp"

#include <cstdlib>
#include <libsmartcols.h>
#include <memory>
#include <new>

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

std::string table_text(const std::vector<std::string> &headings,
                       const std::vector<std::vector<std::string>> &rows) {
    Table table(scols_new_table());
    for (const std::string &heading : headings)
        if (!table || !scols_table_new_column(table.get(), heading.c_str(), 0, 0))
            throw std::bad_alloc();
    for (const std::vector<std::string> &row : rows)
        add_line(table.get(), row);
    char *text = nullptr;
    if (scols_print_table_to_string(table.get(), &text)) throw std::bad_alloc();
    std::unique_ptr<char, decltype(&free)> owned(text, free);
    std::string out = text;
    if (!out.ends_with('\n')) out += '\n'; // which the library leaves out
    return out;
}

} // namespace hitless::cli
