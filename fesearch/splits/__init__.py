"""Kinds of divisions, one a file; each declares KIND, a subclass of ``SplitSpec``.

A division is written ``KIND:option=value,option=value``, or as a table ``[split]`` of a study file
with ``kind = "KIND"``.

    random         Groups of rows in an order drawn by seed fill test, then validation, then
                   training. fractions=81:9:10 are train:val:test; fractions=9:1 are train:test, a
                   tenth of the training rows then being the validation part.
    repeated       That several times over: divisions=5 with seed, seed + 1 and so on.
    kfold          k=5 parts, each of which is the test part once; val=0.1 of the rest validates.
    column         NAME: the roles stand in a column. NAME+NAME+NAME: in several, one a member.
    leave_element  As random, and of the rows with element=Mg only the share kept=0.1 is left to
                   train and validate on, the test part being as it was.

    group=formula  What stays on one side: rows of one reduced formula, or ``system`` (the set of
                   elements), ``column:NAME`` (the cells of a column, empty ones apart), ``none``.
    member=2       One of a repeated division (repeated, kfold, several columns), from 0;
                   member=outside: rows that no member tests, to search once for all of them.
    train=0.1      A share of the training rows, or a number of them, for learning curves.
    sigma=5        Without targets beyond 5 standard deviations of the training rows' mean.
    rows=FEATURES  Only rows that have the features of this set; roles are as without it.
"""
