"""make class: three to three thousand submissions, each by itself, on one machine or many.

    handed_in.py   what lies in a directory of submissions, and the tree of each
    plan.py        what is asked of a class, as a file that every machine reads
    one.py         grade one submission: its record, and what its student is shown
    record.py      the record of a submission, and the key that says what it was made from
    engines.py     GNU parallel or Slurm, which only start `one`
    feedback.py    a student's feedback as text
    summary.py     all records as class.csv, class.json and class.html
    likeness.py    whose sources are near another's
    __main__.py    the whole of it

The truth is one file a submission, put in its place when it is whole. Whoever kills a run, and
starts it again, pays for what is missing and for nothing else."""
