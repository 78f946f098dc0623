"""What every suite shares: starting contenders, rounds, figures, tables, plots, and the command."""
