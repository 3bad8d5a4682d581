"""The words of a model card: no name in them is obeyed as Markdown or HTML."""

import pytest

from fesearch.modelcard import code, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("e_form (eV/atom)", "e_form (eV/atom)"),
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("a\n# b | c", r"a # b \| c"),
        ("*bold* _it_ `c` ~~s~~ &lt;", r"\*bold\* \_it\_ \`c\` \~\~s\~\~ \&lt;"),
        ("back\\slash", r"back\\slash"),
        ("\x1b[2J", r"\\x1b\[2J"),
    ],
)
def test_no_sign_of_a_text_is_obeyed(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_name_stays_in_its_code() -> None:
    assert code("column:fold_0") == "`column:fold_0`"
    assert code("a`<b>") == r"a\`\<b\>"
    assert code("a|b") == r"a\|b"
    assert code("a\nb") == "`a b`"
