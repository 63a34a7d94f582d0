//! A backup may take longer than any of its functions lives: holders hand the snapshot over, and nobody sees another
//! moment for it. Functions that hold for 5 s stand for those that hold for minutes.

mod relay {
    mod arranged;
    mod chain;
    mod suspended;
}
