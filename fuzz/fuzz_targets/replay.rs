#![cfg_attr(fuzzing, no_main)]
althing_fuzz::fuzz_target!(replay);
