"""Blends of two: the rule and its figures of merit against plain implementations."""

import pytest
import torch

from hicmae.answers.blends import BlendRule, Blends, blend_scores, percents, written_blend_scores

CLASSES = ["anger", "disgust", "fear", "happiness", "sadness", "neutral"]
BLENDED = CLASSES[:-1]


def made_up(clips=80, seed=0):
    """Shares that a model might give, and true ones as in BLEMORE."""
    rng = torch.Generator().manual_seed(seed)
    targets = torch.zeros(clips, 6)
    for row in targets:
        first, second = torch.randperm(5, generator=rng)[:2].tolist()
        part = (0.3, 0.5, 0.7, 1.0)[int(torch.randint(4, (), generator=rng))]
        row[first] = part
        row[second] += 1 - part
    targets[:8] = torch.eye(6)[5]
    noise = torch.randn(clips, 6, generator=rng)
    return (2 * targets + noise).softmax(1), targets


def plain_answer(shares, presence, salience):
    """An answer as {class: percent}, by the words of BLEMORE's rule."""
    ranked = sorted(range(6), key=lambda place: -shares[place])
    first, second = ranked[:2]
    if shares[second] < presence or "neutral" in {CLASSES[first], CLASSES[second]}:
        return {CLASSES[first]: 100}
    if shares[first] - shares[second] <= salience:
        return {CLASSES[first]: 50, CLASSES[second]: 50}
    return {CLASSES[first]: 70, CLASSES[second]: 30}


def plain_scores(shares, targets, presence, salience):
    rows = targets.tolist()
    true = [{CLASSES[k]: round(100 * v) for k, v in enumerate(row) if v > 0} for row in rows]
    answers = [plain_answer(row, presence, salience) for row in shares.tolist()]
    pairs = list(zip(answers, true, strict=True))
    right = [set(answer) == set(label) for answer, label in pairs]
    salient = [answer == label for answer, label in pairs if len(label) == 2]
    return sum(right) / len(right), sum(salient) / len(salient)


@pytest.mark.parametrize("thresholds", [(0.1, 0.1), (0.2, 0.05), (0.3, 0.3), (0.95, 0.5)])
def test_presence_and_salience_are_those_of_a_plain_count(thresholds):
    shares, targets = made_up()
    rule = BlendRule(CLASSES, BLENDED)
    answers = rule(shares, torch.tensor(thresholds))
    assert (answers.sum(1) == 100).all()
    found = blend_scores(answers, percents(targets))
    assert tuple(found.values()) == pytest.approx(plain_scores(shares, targets, *thresholds))


def test_thresholds_are_the_best_of_the_grid_on_the_clips_they_are_fitted_to():
    shares, targets = made_up()
    rule = BlendRule(CLASSES, BLENDED)
    rule.fit(shares, targets)
    grid = [0.05 + step * 0.9 / 19 for step in range(20)]
    scores = {
        (alpha, beta): sum(plain_scores(shares, targets, alpha, beta))
        for alpha in grid
        for beta in grid
    }
    fitted = tuple(rule.thresholds.tolist())
    best = max(scores, key=scores.get)
    assert fitted == pytest.approx(best, abs=1e-6)
    others = made_up(seed=1)
    blend_scores(rule(others[0]), percents(others[1]))
    assert tuple(rule.thresholds.tolist()) == fitted


def test_written_answers_have_the_same_scores():
    shares, targets = made_up()
    rule = BlendRule(CLASSES, BLENDED)
    cells = rule.columns(shares, targets)
    assert cells[0] == {"blend_target": "neutral", "blend": cells[0]["blend"]}
    written = written_blend_scores(
        *zip(*((c["blend"], c["blend_target"]) for c in cells), strict=True)
    )
    assert written == pytest.approx(blend_scores(rule(shares), percents(targets)))
    assert rule.columns(shares, None) == [{"blend": cell["blend"]} for cell in cells]


def test_clips_without_blends_have_no_salience():
    targets = torch.eye(6)
    assert blend_scores(percents(targets), percents(targets)) == {"presence": 1.0}
    assert written_blend_scores(["fear"], ["anger"]) == {"presence": 0.0}


def test_the_larger_part_is_written_first_and_a_class_alone_by_its_name():
    rule = BlendRule(CLASSES, BLENDED)
    first, second = (CLASSES.index(name) for name in BLENDED[:2])
    shares = torch.zeros(3, len(CLASSES))
    shares[0, second], shares[0, first] = 0.7, 0.3
    shares[1, second], shares[1, first] = 0.51, 0.49
    shares[2, second] = 1
    cells = [cell["blend"] for cell in rule.columns(shares, None)]
    larger, smaller = BLENDED[1], BLENDED[0]
    assert cells == [f"{larger} 70 + {smaller} 30", f"{smaller} 50 + {larger} 50", larger]
    named = Blends(tuple(BLENDED), (0.1, 0.1))
    assert [named.named(CLASSES, row) for row in shares] == cells


def test_presence_asks_for_the_classes_and_salience_for_their_order():
    targets = ["anger 70 + fear 30", "anger 70 + fear 30", "anger", "anger 70 + fear 30"]
    answers = ["anger 70 + fear 30", "fear 70 + anger 30", "anger", "anger"]
    scores = written_blend_scores(answers, targets)
    assert scores == {"presence": 0.75, "salience": pytest.approx(1 / 3)}
