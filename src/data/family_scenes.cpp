#include "data/family_scenes.h"

#include "base/error.h"

namespace foil {

const std::vector<Person>& family_people() {
  static const std::vector<Person> people = {{"Tom", false}, {"Anna", true}, {"Ben", false}, {"Mia", true}, {"Sam", false}, {"Lucy", true},
                                             {"Max", false}, {"Eva", true},  {"Leo", false}, {"Nina", true}, {"Paul", false}, {"Ruth", true}};
  return people;
}

static const char* kOther = "How many {x} does {o} have?";
static const char* kMore = "How many more {x} does {n} have than {o}?";

const std::vector<Scene>& family_scenes() {
  static const std::vector<Scene> scenes = {
      {"collection", {"stamps", "coins", "shells", "cards", "marbles", "stickers"},
       "{n} has {s} {x}.", "{n} starts with {s} {x}.", "How many {x} does {n} have now?",
       "In the drawer of {n} there are {s} {x}.", "What is the number of {x} in the end?",
       {{{"{P} buys {k} more."}, {"{P} finds {k} more."}, {"{o} gives {h} {k} more."}, {"{o} has {k} more than {n}.", "{o} has {k} more", kOther}},
        {{"{P} gives {k} to {o}."}, {"{P} loses {k}."}, {"{P} sells {k}."}, {"{o} has {k} {x}.", "{o} has {k}", kMore}},
        {{"A year later {p} has {k} times as many.", "{k} times as many"}, {"{P} swaps each one for {k} others.", "{k} for each one"},
         {"{o} has {k} times as many as {n}.", "{o} has {k} times as many", kOther}},
        {{"{P} puts them into {k} equal boxes and keeps one box.", "One of {k} boxes"}, {"{P} keeps only one of {k} equal piles.", "One of {k} piles"}}}},
      {"garden", {"tulips", "roses", "lilies", "bushes", "herbs"},
       "There are {s} {x} in the garden of {n}.", "The garden starts with {s} {x}.", "How many {x} are in the garden now?",
       "The garden of {n} holds {s} {x}.", "What is the number of {x} in the end?",
       {{{"{P} plants {k} more."}, {"In spring {k} more come up."}, {"{o} brings {k} more."}},
        {{"{P} picks {k} for {o}."}, {"The frost kills {k}."}, {"{P} pulls {k} out."}},
        {{"In summer there are {k} times as many.", "{k} times as many"}, {"{P} plants {k} in place of each one.", "{k} for each one"}},
        {{"A storm leaves only one of {k} equal rows.", "One of {k} rows"}, {"{P} keeps only one of {k} equal beds.", "One of {k} beds"}}}},
      {"shop", {"lamps", "hats", "cups", "toys", "bags"},
       "The shop of {n} has {s} {x}.", "The shop starts with {s} {x}.", "How many {x} does the shop have now?",
       "On the shelves of {n} there are {s} {x}.", "What is the number of {x} in the end?",
       {{{"A van brings {k} more."}, {"{P} orders {k} more."}, {"{o} brings {k} back."}},
        {{"{P} sells {k}."}, {"{o} buys {k}."}, {"{P} throws {k} away."}},
        {{"Before the holidays there are {k} times as many.", "{k} times as many"}, {"A big order makes it {k} times as many.", "{k} times as many"}},
        {{"They are split equally among {k} shops.", "Each of {k} shops"}, {"{P} keeps only one of {k} equal boxes.", "One of {k} boxes"}}}},
      {"bus", {"children", "tourists", "players", "students", "teachers"},
       "{n} drives a bus with {s} {x}.", "The bus starts with {s} {x}.", "How many {x} are on the bus now?",
       "In the bus of {n} there are {s} {x}.", "What is the number of {x} in the end?",
       {{{"At the school {k} more get on."}, {"At the next stop {k} more get on."}},
        {{"At the museum {k} get off."}, {"At the next stop {k} get off."}},
        {{"At the station the number becomes {k} times as large.", "{k} times as many"}, {"After the beach there are {k} times as many.", "{k} times as many"}},
        {{"They are split equally among {k} buses.", "Each of {k} buses"}, {"At the lake only one of {k} equal groups stays.", "One of {k} groups"}}}},
      {"kitchen", {"cookies", "rolls", "muffins", "pies", "pancakes"},
       "{n} bakes {s} {x}.", "{n} starts with {s} {x}.", "How many {x} are there now?",
       "On the table of {n} there are {s} {x}.", "What is the number of {x} in the end?",
       {{{"{P} bakes {k} more."}, {"{o} brings {k} more."}},
        {{"{o} eats {k}."}, {"{P} gives {k} away."}, {"{P} drops {k}."}},
        {{"For a party {p} makes it {k} times as many.", "{k} times as many"}, {"A larger oven makes it {k} times as many.", "{k} times as many"}},
        {{"{P} puts them on {k} equal plates and keeps one plate.", "One of {k} plates"}, {"{P} packs {k} equal bags and keeps one bag.", "One of {k} bags"}}}},
      {"money", {"dollars", "euros", "pounds"},
       "{n} has {s} {x}.", "{n} starts with {s} {x}.", "How many {x} does {n} have now?",
       "In the purse of {n} there are {s} {x}.", "What is the number of {x} in the end?",
       {{{"{P} earns {k} more."}, {"{o} gives {h} {k} more."}, {"{o} has {k} more than {n}.", "{o} has {k} more", kOther}},
        {{"{P} spends {k} on a book."}, {"{P} pays {k} for lunch."}, {"{P} lends {k} to {o}."}, {"{o} has {k} {x}.", "{o} has {k}", kMore}},
        {{"A year later {p} has {k} times as much.", "{k} times as much"}, {"A prize makes it {k} times as much.", "{k} times as much"},
         {"{o} has {k} times as much as {n}.", "{o} has {k} times as much", kOther}},
        {{"{P} shares it equally among {k} people and keeps one share.", "One of {k} shares"}, {"{P} keeps only one of {k} equal parts.", "One of {k} parts"}}}},
      {"farm", {"hens", "sheep", "goats", "ducks", "cows"},
       "There are {s} {x} on the farm of {n}.", "The farm starts with {s} {x}.", "How many {x} are on the farm now?",
       "The farm of {n} holds {s} {x}.", "What is the number of {x} in the end?",
       {{{"{P} buys {k} more."}, {"In spring {k} more are born."}},
        {{"{P} sells {k}."}, {"At night {k} run away."}, {"{P} gives {k} to {o}."}},
        {{"After a good year there are {k} times as many.", "{k} times as many"}, {"{P} swaps each one for {k} others.", "{k} for each one"}},
        {{"They are split equally among {k} farms.", "Each of {k} farms"}, {"{P} keeps only one of {k} equal herds.", "One of {k} herds"}}}}};
  return scenes;
}

const std::vector<Wording>& paraphrased_wordings(int operation) {
  static const std::vector<Wording> wordings[4] = {
      {{"The number grows by {k}.", "{k} more"}, {"Soon {k} new ones arrive.", "{k} more"}},
      {{"The number falls by {k}.", "{k} fewer"}, {"After that, {k} are taken away.", "{k} fewer"}},
      {{"The number is multiplied by {k}.", "{k} times as many"}, {"It soon becomes {k} times what it was.", "{k} times as many"}},
      {{"The number is divided by {k}.", "One of {k} parts"}, {"Of {k} equal parts just one is left.", "One of {k} parts"}}};
  FOIL_CHECK(operation >= 0 && operation < 4);
  return wordings[operation];
}

const std::vector<std::string>& family_distractors() {
  static const std::vector<std::string> facts = {"{o} has {d} {y}.", "{n} is {d} years old.", "It all takes {d} minutes."};
  return facts;
}

}  // namespace foil
