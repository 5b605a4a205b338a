// Whole configurations made from a seed, for tests of properties. Text, since reading is part of
// what is tested.
#pragma once

// A valid configuration file; the caller frees it.
char *generate_config(unsigned long seed);
